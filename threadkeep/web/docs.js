// The API's own documentation: Swagger UI over this server's document, with nothing from anywhere else.

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
