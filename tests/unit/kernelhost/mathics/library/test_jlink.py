"""What a J/Link program calls in the kernel: the package, and images of results."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from kernelbus.kernelhost.mathics.engine.process import EngineError, engine
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.jlink import CONTEXT, open_package
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from wstp import Expr, Function, Symbol

S = Symbol
RULE = S("Rule")


class Client:
    """Evaluate as J/Link does."""

    def __init__(self, loaded: Loaded) -> None:
        self.sent: list[Function] = []
        self._loop = MainLoop(loaded, self)

    def send(self, *packets: Expr, last: bool = False) -> None:
        self.sent += packets

    def __call__(self, expression: Expr) -> Any:
        """Return the value of an expression; `sent` has the packets before it."""
        self.sent.clear()
        self._loop.handle(S("EvaluatePacket")(expression))
        assert [packet.head for packet in self.sent].count(S("ReturnPacket")) == 1
        return self.sent.pop().args[0]

    def messages(self) -> list[str]:
        return [f"{p.args[0]}::{p.args[1]}" for p in self.sent if p.head == S("MessagePacket")]

    def image(self, code: str, *arguments: Expr) -> tuple[str | None, Image.Image]:
        """Return the format and the pixels of what EvaluateToImage gives."""
        return opened(self(S("EvaluateToImage")(code, *arguments)))


def opened(value: Any) -> tuple[str | None, Image.Image]:
    assert isinstance(value, str)
    image = Image.open(io.BytesIO(value.encode("latin-1")))
    return image.format, image.convert("RGB")


@pytest.fixture
def client(loaded: Loaded) -> Client:
    made = Client(loaded)
    assert made(S("Needs")("JLink`")) == S("Null")
    assert not made.sent
    return made


def test_the_package_is_on_the_path_once_it_is_asked_for(loaded: Loaded) -> None:
    client = Client(loaded)
    assert client(S("Context")(S("EvaluateToImage"))) == "Global`"
    client(S("Remove")("Global`EvaluateToImage"))
    for _ in range(2):
        client(S("Needs")("JLink`"))
        path = client(S("$ContextPath"))
        assert path.count("JLink`") == 1
    assert client(S("Context")(S("EvaluateToImage"))) == "JLink`"
    assert client(S("ToExpression")("<<JLink`")) == S("Null")


def test_opening_the_package_again_changes_nothing(loaded: Loaded) -> None:
    for _ in range(2):
        open_package(loaded.definitions)
        assert loaded.definitions.get_context_path().count(CONTEXT) == 1
    assert loaded.definitions.lookup_name("EvaluateToImage") == f"{CONTEXT}EvaluateToImage"


def test_graphics_are_drawn_in_the_size_that_is_asked_for(client: Client) -> None:
    code = "Graphics[{Red, Rectangle[{0, 0}, {1, 1}], Blue, Rectangle[{1, 0}, {2, 1}]}]"
    size = RULE(S("ImageSize"), [200, S("Automatic")])
    form, image = client.image(code, "GIF", size)
    assert (form, image.width) == ("GIF", 200)
    left, right = (image.getpixel((x, image.height // 2)) for x in (50, 150))
    assert (left, right) == ((255, 0, 0), (0, 0, 255))
    form, image = client.image(code, True, "PNG", RULE(S("ImageSize"), [S("Automatic"), 64]))
    assert (form, image.height) == ("PNG", 64)
    once = client.image(code, "PNG", RULE(S("ImageResolution"), 72))[1]
    twice = client.image(code, "PNG", RULE(S("ImageResolution"), 144))[1]
    assert abs(twice.width - 2 * once.width) <= 2


@pytest.mark.parametrize(
    ("code", "inside", "outside"),
    [
        ("Graphics[{Disk[]}]", [(0.5, 0.5), (0.5, 0.1), (0.9, 0.5)], [(0.05, 0.05), (0.95, 0.95)]),
        ("Graphics[{Polygon[{{0, 0}, {1, 0}, {0, 1}}]}]", [(0.2, 0.8)], [(0.8, 0.2)]),
        ("Graphics[{Disk[{0, 0}, 1, {0, Pi}], Point[{0, -1}]}]", [(0.5, 0.3)], [(0.5, 0.8)]),
        ("Graphics[{Line[{{0, 0}, {1, 1}}], Point[{0, 0}], Point[{1, 1}]}]", [], [(0.2, 0.2), (0.8, 0.8)]),
    ],
)
def test_shapes(client: Client, code: str, inside: list[tuple[float, float]], outside: list[tuple[float, float]]) -> None:
    _, image = client.image(code, "PNG", RULE(S("ImageSize"), [200, 200]))
    grey = image.convert("L")

    def at(point: tuple[float, float]) -> Any:
        return grey.getpixel((int(point[0] * grey.width), int(point[1] * grey.height)))

    assert [at(point) for point in inside] == [0] * len(inside)
    assert [at(point) for point in outside] == [255] * len(outside)
    assert any(count for value, count in enumerate(grey.histogram()) if value < 100), "something is drawn"


def test_an_image_is_itself(client: Client) -> None:
    _, image = client.image("Image[{{0, 1}, {1, 0}}]", "PNG", RULE(S("ImageSize"), [20, 20]))
    assert [image.getpixel(at) for at in [(4, 4), (15, 4), (4, 15), (15, 15)]] == [(0,) * 3, (255,) * 3, (255,) * 3, (0,) * 3]


def test_what_is_no_graphics_is_drawn_as_text(client: Client) -> None:
    form, long = client.image("Expand[(x + y)^5]", True, "GIF")
    _, short = client.image("x", True, "GIF")
    assert form == "GIF"
    assert long.width > 5 * short.width
    assert min(long.convert("L").tobytes()) < 100
    typeset = S("EvaluateToTypeset")("Expand[(x + y)^20]", S("TraditionalForm"), 300, "GIF")
    _, broken = opened(client(typeset))
    assert broken.width <= 300
    assert broken.height > 2 * short.height
    assert opened(client(S("EvaluateToTypeset")(S("Plus")(1, 1), "GIF")))[0] == "GIF"


def test_solid_graphics_are_drawn(client: Client) -> None:
    pytest.importorskip("woxi")
    form, image = client.image("Graphics3D[{Red, Sphere[]}]", "PNG", RULE(S("ImageSize"), 100))
    assert form == "PNG"
    assert image.width == 100
    red, green, _ = image.getpixel((50, image.height // 2))  # type: ignore[misc]
    assert red > green + 60


def test_what_cannot_be_drawn_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise EngineError("there is no second engine")

    monkeypatch.setattr(engine, "ask", fail)
    assert client(S("EvaluateToImage")("Graphics3D[Sphere[]]", "GIF")) == S("$Failed")
    assert client.messages() == ["EvaluateToImage::draw"]
    assert client(S("EvaluateToImage")("x", "XYZ")) == S("$Failed")
    assert client.messages() == ["EvaluateToImage::format"]
    assert client(S("EvaluateToImage")("1 +", "GIF")) == S("$Failed")
    assert client(S("EvaluateToImage")("Abort[]", "GIF")) == S("$Aborted")


def test_java_cannot_be_called(client: Client) -> None:
    assert client(S("ToExpression")("GetJVM[InstallJava[$ParentLink, Default -> True]]")) == S("$Failed")
    assert client.messages() == ["InstallJava::nojava"]


def test_messages_as_jlink_sends_them(client: Client) -> None:
    """Evaluate what the library's KernelLink.message("f::bad", ...) sends."""
    function = S("ToExpression")("Function[Null, Message[#1, ##2], HoldFirst]")
    client(S("Apply")(function, S("Join")(S("ToHeldExpression")("f::bad"), S("Hold")("a", "b"))))
    assert client.messages() == ["f::bad"]
