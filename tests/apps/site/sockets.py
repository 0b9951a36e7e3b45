"""The site with websockets: consumers that tell which tenant they are served for, by what they read."""

import json
import os
from typing import Any

from django.conf import settings

_wanted = json.loads(os.environ["SOCKETS"])
# Its other layer (`core`) waits by a blocking command. With redis-py 8 a consumer that is to end may wait on for ever.
settings.CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [_wanted["redis"]]},
    }
}
settings.SESSION_ENGINE = _wanted["sessions"]
settings.MIDDLEWARE.insert(1, "tenancy.contrib.sse.EventStreamMiddleware")

from tests.apps.site import servers  # noqa: E402, I001  # It sets up Django.
from asgiref.sync import async_to_sync, sync_to_async  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.db import connections  # noqa: E402
from django.urls import path, reverse  # noqa: E402

from django_schemas import active_placement  # noqa: E402
from tenancy import current_tenant  # noqa: E402
from tenancy.contrib.channels import TenantMiddleware, group  # noqa: E402
from tests.apps.garage.models import Tag  # noqa: E402
from tests.apps.site.views import ENDED, note_end, note_rest, seen  # noqa: E402


def sleep(seconds: float) -> None:
    """Have the database wait."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


class Desk(AsyncJsonWebsocketConsumer):
    """Answers each message with what is seen, by the async ORM and in a thread, and tells its group what it is told."""

    async def connect(self) -> None:
        await self.channel_layer.group_add(group("desk"), self.channel_name)
        await self.accept()

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if "sleep" in content:
            await database_sync_to_async(sleep)(content["sleep"])
        if "tell" in content:
            event = {"type": "desk.told", "text": content["tell"]}
            await self.channel_layer.group_send(group("desk"), event)
            return
        tenant = current_tenant()
        await self.send_json(
            {
                "scope": self.scope["tenant"].slug,
                "tenant": tenant and tenant.slug,
                "placement": str(active_placement()),
                "witnesses": sorted({tag.witness async for tag in Tag.objects.all()}),
                "in a thread": await database_sync_to_async(seen)(),
                "user": self.scope["user"].get_username() or None,
                "reverse": reverse("where"),
                "path": self.scope["url_route"]["kwargs"],
            }
        )

    async def desk_told(self, event: Any) -> None:
        await self.send_json({"told": event["text"], **await sync_to_async(seen)()})

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(group("desk"), self.channel_name)
        note_end()


class SyncDesk(JsonWebsocketConsumer):
    """The same in short, in a thread."""

    def connect(self) -> None:
        async_to_sync(self.channel_layer.group_add)(group("desk"), self.channel_name)
        self.accept()

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.send_json(seen())

    def desk_told(self, event: Any) -> None:
        self.send_json({"told": event["text"], **seen()})

    def disconnect(self, code: int) -> None:
        async_to_sync(self.channel_layer.group_discard)(group("desk"), self.channel_name)
        note_end()


routes = [
    path("desk/", Desk.as_asgi()),
    path("sync/", SyncDesk.as_asgi()),
]
sockets = TenantMiddleware(AuthMiddlewareStack(URLRouter(routes)))


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """Serve a connection; what is active before and behind it is noted."""
    note_rest()
    try:
        await sockets(scope, receive, send)
    finally:
        note_rest()


application = ProtocolTypeRouter({"http": servers.asgi, "websocket": websocket})

__all__ = ["ENDED", "application"]
