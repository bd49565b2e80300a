// A form made from a JSON schema: what is left as it is by default is not sent.

import { el, labelled } from "./dom.js";

/** `{node, read()}`; `read` throws in words when a field holds what it cannot. */
export function schemaForm(schema, value = {}) {
  const properties = Object.entries(schema?.properties ?? {});
  const fields = properties.map(([name, kind]) => ({ name, ...fieldOf(name, resolved(kind, schema), value?.[name]) }));
  const node = el(
    "div",
    { class: "schema-form" },
    fields.length ? fields.map((field) => field.node) : el("p", { class: "hint" }, "This graph has no settings."),
  );
  const read = () => {
    const known = new Set(fields.map((field) => field.name));
    const kept = Object.fromEntries(Object.entries(value ?? {}).filter(([name]) => !known.has(name)));
    for (const field of fields) {
      const given = field.read();
      if (given !== undefined) kept[field.name] = given;
    }
    return kept;
  };
  return { node, read };
}

// The one kind that a field is of, without `null` beside it and with references followed.
function resolved(kind, schema) {
  const options = (kind.anyOf ?? kind.oneOf ?? [kind]).filter((one) => one.type !== "null");
  let found = options.length === 1 ? options[0] : { type: "json" };
  if (found.$ref)
    found =
      found.$ref
        .split("/")
        .slice(1)
        .reduce((at, key) => at?.[key], schema) ?? {};
  return { ...found, title: kind.title, description: kind.description ?? found.description, default: kind.default };
}

function fieldOf(name, kind, value) {
  const hint = [
    kind.description,
    kind.default === undefined || kind.default === null || kind.default === ""
      ? null
      : `Default: ${JSON.stringify(kind.default)}.`,
  ]
    .filter(Boolean)
    .join(" ");
  const make = kind.enum
    ? choice
    : ({
        boolean: tick,
        integer: number,
        number,
        string: line,
        array: kind.items?.type === "string" || kind.prefixItems ? words : json,
      }[kind.type] ?? json);
  const { field, read } = make(kind, value, name);
  return { node: labelled(name, field, hint), read };
}

function choice(kind, value) {
  const field = el(
    "select",
    {},
    el("option", { value: "" }, "(default)"),
    kind.enum.map((one) => el("option", { value: JSON.stringify(one) }, String(one))),
  );
  if (value !== undefined && value !== null) field.value = JSON.stringify(value);
  return { field, read: () => (field.value ? JSON.parse(field.value) : undefined) };
}

function tick(kind, value) {
  const options = [
    ["", "(default)"],
    ["true", "yes"],
    ["false", "no"],
  ];
  const field = el(
    "select",
    {},
    options.map(([key, text]) => el("option", { value: key }, text)),
  );
  if (typeof value === "boolean") field.value = String(value);
  return { field, read: () => (field.value ? field.value === "true" : undefined) };
}

function number(kind, value, name) {
  const least = kind.minimum ?? null;
  const field = el("input", {
    type: "number",
    step: kind.type === "integer" ? 1 : "any",
    min: least,
    max: kind.maximum ?? null,
    value: value ?? "",
  });
  const read = () => {
    if (field.validity.badInput) throw new Error(`${name} must be a number.`);
    return field.value === "" ? undefined : Number(field.value);
  };
  return { field, read };
}

function line(kind, value) {
  const field = el("input", { type: "text", value: value ?? "" });
  return { field, read: () => field.value || undefined };
}

function words(kind, value) {
  const field = el("input", {
    type: "text",
    placeholder: "several, with commas between",
    value: (value ?? []).join(", "),
  });
  const read = () =>
    field.value.trim()
      ? field.value
          .split(",")
          .map((one) => one.trim())
          .filter(Boolean)
      : undefined;
  return { field, read };
}

function json(kind, value, name) {
  const field = el("textarea", {
    rows: 2,
    spellcheck: "false",
    placeholder: "JSON",
    value: value === undefined || value === null ? "" : JSON.stringify(value, null, 2),
  });
  const read = () => {
    if (!field.value.trim()) return undefined;
    try {
      return JSON.parse(field.value);
    } catch (error) {
      throw new Error(`${name} is no JSON (${error.message}).`);
    }
  };
  return { field, read };
}
