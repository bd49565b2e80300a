"""The page at `/docs`: Swagger UI over the OpenAPI document.

All of it comes from this server, so that it works without internet.
"""

from __future__ import annotations

from fastapi import APIRouter

from threadkeep.api.inspector import POLICY, answering
from threadkeep.api.routing import Route
from threadkeep.web import DOCS_FILES

router = APIRouter(tags=["System"], route_class=Route)

# No trusted types here: Swagger UI cleans what it shows, but hands it to the browser as plain strings.
for _path, _file in DOCS_FILES.items():
    router.add_api_route(_path, answering(_file, POLICY), methods=["GET"], include_in_schema=False)
