"""The PyPI centrifuge-python client behind the verbs of client.mjs.

Commands come in as JSON lines on standard input ({"id", "verb", "args"}); answers ({"id", "result" | "error"}) and what
the client hears ({"heard"}) go out the same way.
"""

import asyncio
import json
import sys

from centrifuge import Client, ClientEventHandler, ReplyError, StreamPosition, SubscriptionEventHandler


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def hear(kind, **fields):
    say({"heard": {"kind": kind, **fields}})


class Judge:
    def __init__(self, address, protobuf):
        self.protobuf = protobuf
        self.tokens = []
        self.client = Client(
            address,
            events=ConnectionEvents(self),
            get_token=self.next_token,
            use_protobuf=protobuf,
            timeout=5.0,
            min_reconnect_delay=0.1,
            max_reconnect_delay=1.0,
        )

    async def next_token(self, *_):
        hear("token")
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    def encode(self, data):
        return json.dumps(data).encode() if self.protobuf else data

    def decode(self, data):
        return json.loads(data) if isinstance(data, (bytes, bytearray)) else data

    async def connect(self, tokens):
        self.tokens = list(tokens)
        await self.client.connect()

    async def subscribe(self, channel):
        subscription = self.client.new_subscription(
            channel, events=SubscriptionEvents(self, channel), recoverable=True, positioned=True
        )
        await subscription.subscribe()

    async def unsubscribe(self, channel):
        await self.client.get_subscription(channel).unsubscribe()

    async def resubscribe(self, channel):
        await self.client.get_subscription(channel).subscribe()

    async def publish(self, channel, data):
        await self.client.publish(channel, self.encode(data))

    async def rpc(self, method, data):
        return self.decode((await self.client.rpc(method, self.encode(data))).data)

    async def history(self, channel, limit, reverse=False, since=None):
        position = StreamPosition(since["offset"], since["epoch"]) if since else None
        page = await self.client.history(channel, limit=limit, reverse=reverse, since=position)
        publications = [{"offset": p.offset, "data": self.decode(p.data)} for p in page.publications]
        return {"epoch": page.epoch, "offset": page.offset, "publications": publications}

    async def presence(self, channel):
        return [info.user for info in (await self.client.presence(channel)).clients.values()]

    async def presence_stats(self, channel):
        stats = await self.client.presence_stats(channel)
        return {"clients": stats.num_clients, "users": stats.num_users}

    async def batch(self, channel, count):
        texts = [self.encode({"text": f"batch {index + 1}"}) for index in range(count)]
        await asyncio.gather(*(self.client.publish(channel, text) for text in texts))


class ConnectionEvents(ClientEventHandler):
    def __init__(self, judge):
        self.judge = judge

    async def on_connected(self, ctx):
        hear("connected", client=ctx.client)

    async def on_connecting(self, ctx):
        hear("connecting", code=ctx.code)

    async def on_disconnected(self, ctx):
        hear("disconnected", code=ctx.code)

    async def on_subscribed(self, ctx):
        hear("subscribed", channel=ctx.channel, serverSide=True)

    async def on_publication(self, ctx):
        publication = ctx.pub
        hear(
            "publication",
            channel=ctx.channel,
            data=self.judge.decode(publication.data),
            offset=publication.offset,
            serverSide=True,
        )


class SubscriptionEvents(SubscriptionEventHandler):
    def __init__(self, judge, channel):
        self.judge = judge
        self.channel = channel

    async def on_subscribed(self, ctx):
        hear("subscribed", channel=self.channel, recovered=ctx.recovered, wasRecovering=ctx.was_recovering)

    async def on_unsubscribed(self, ctx):
        hear("unsubscribed", channel=self.channel, code=ctx.code)

    async def on_publication(self, ctx):
        hear(
            "publication",
            channel=self.channel,
            data=self.judge.decode(ctx.pub.data),
            offset=ctx.pub.offset,
        )


async def obey(judge, command):
    try:
        result = await getattr(judge, command["verb"])(**command["args"])
        say({"id": command["id"], "result": result})
    except ReplyError as error:
        say({"id": command["id"], "refused": {"code": error.code, "message": error.message}})
    except Exception as error:  # Whatever it is, the scenario is to know of it.
        say({"id": command["id"], "error": f"{type(error).__name__}: {error}"})


async def main():
    judge = Judge(sys.argv[1], sys.argv[2] == "protobuf")
    lines = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    under_way = set()
    while line := await lines.readline():
        task = asyncio.create_task(obey(judge, json.loads(line)))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await judge.client.disconnect()


asyncio.run(main())
