"""The service: models behind HTTP and WebSocket. `undertone serve` runs it; extra `serve`.

    from undertone.serve import Settings, create_app

    app = create_app(Settings(models=("ravdess8-tcn",)))  # for any ASGI server

What it answers and takes is in docs/service.md and docs/stream-protocol.md.
"""

from undertone.errors import MissingExtraError

try:
    from undertone.serve.app import create_app
    from undertone.serve.settings import Limits, Settings
except ModuleNotFoundError as error:
    if (error.name or "").startswith("undertone"):
        raise
    raise MissingExtraError(
        f'the service needs {error.name}; run: pip install "undertone[serve]"'
    ) from None

__all__ = ["Limits", "Settings", "create_app"]
