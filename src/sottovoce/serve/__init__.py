"""The service: models behind HTTP and WebSocket. `sottovoce serve` runs it; extra `serve`.

    from sottovoce.serve import Settings, create_app

    app = create_app(Settings(models=("sottovoce-small",)))  # for any ASGI server

docs/service.md and docs/stream-protocol.md describe its interface.
"""

from sottovoce.errors import MissingExtraError
from sottovoce.options import Limits

try:
    from sottovoce.serve.app import create_app
    from sottovoce.serve.settings import Settings
except ModuleNotFoundError as error:
    if (error.name or "").startswith("sottovoce"):
        raise
    raise MissingExtraError("the service", str(error.name), "serve") from None

__all__ = ["Limits", "Settings", "create_app"]
