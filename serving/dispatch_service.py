"""The dispatch Bento. Only wires; see `serving.dispatch.application`."""

from serving.http.asgi_service import AsgiService
from serving.settings import whole


class Dispatch:
    """Whom an attempt would reach, with reasons; the next lawful contact."""

    application = "serving.dispatch.application"


DispatchService = AsgiService(name="recoup_dispatch", inner=Dispatch, config={"workers": whole("RECOUP_WORKERS", 1)})
