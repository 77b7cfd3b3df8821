"""Pictures: few enough boxes, every connection, valid XML, the same bytes for equal networks."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from convsmith.network import INPUT, Network, Node, builder as nn, ops
from convsmith.picture.drawing import svg
from convsmith.picture.outline import MOST_BOXES, Outline, outline
from convsmith.picture.placement import place

SVG = "{http://www.w3.org/2000/svg}"


def residual(blocks: int) -> Network:
    def family(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv_norm_act(x, 8, 3)
        for i in range(blocks):
            with nn.scope(f"layer1.{i}"):
                x = nn.relu(nn.add(nn.conv_norm(nn.conv_norm_act(x, 8, 3), 8, 3), x))
        return nn.linear(nn.global_avg_pool(x), 10)

    return nn.write("residual", (3, 32, 32), family)


def branched() -> Network:
    """Three branches of different depth, joined; an auxiliary head."""

    def family(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv(x, 8, 3, name="stem")
        with nn.scope("mixed"):
            deep = nn.conv(nn.conv(nn.conv(x, 4, 1), 4, 3), 4, 3)
            x = nn.concat(nn.conv(x, 4, 1), deep, nn.max_pool(x, 3, 1, padding=(1, 1, 1, 1)))
        with nn.scope("aux"):
            nn.auxiliary(nn.linear(x, 10), 0.3)
        return nn.linear(nn.global_avg_pool(x), 10)

    return nn.write("branched", (3, 8, 8), family)


def plain(layers: int) -> Network:
    nodes = [Node(f"c{i}", ops.Conv(3, (1, 1)), (f"c{i - 1}" if i else INPUT,)) for i in range(layers)]
    return Network("plain", (3, 8, 8), tuple(nodes), nodes[-1].name)


def labels(drawn: Outline) -> list[str]:
    return [box.lines[0] for box in drawn.boxes]


def arrows(drawn: Outline) -> set[tuple[str, str]]:
    return {(drawn.boxes[a].name, drawn.boxes[b].name) for a, b in drawn.arrows}


def test_norms_and_functions_share_the_box_of_their_layer():
    drawn = outline(residual(1))
    assert labels(drawn) == [
        "input",
        "conv 3x3, 8",
        "conv 3x3, 8",
        "conv 3x3, 8",
        "add",
        "global average pool",
        "linear 10",
        "output",
    ]
    assert drawn.boxes[1].lines[1] == "norm · relu"


def test_a_layer_that_two_others_read_keeps_its_own_box():
    def family(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv(x, 3, 3)
        return nn.add(x, nn.relu(x))

    assert labels(outline(nn.write("forked", (3, 8, 8), family))) == ["input", "conv 3x3, 3", "relu", "add", "output"]


def test_the_shortcut_is_an_arrow():
    assert ("conv1", "layer1.0.add1") in arrows(outline(residual(1)))


def test_sizes_are_those_before_flattening():
    net = nn.write("net", (1, 8, 8), lambda x: nn.linear(nn.max_pool(x, 2), 10))
    assert outline(net).sizes == ("1x8x8", "1x4x4", "10", "")


def test_a_small_network_is_drawn_layer_by_layer():
    assert all(box.repeats == 1 for box in outline(residual(8)).boxes)


def test_equal_blocks_are_drawn_once_with_their_number():
    drawn = outline(residual(36))
    framed = [box for box in drawn.boxes if box.frame]
    assert [box.lines[0] for box in framed] == ["conv 3x3, 8", "conv 3x3, 8", "add"]
    assert {(box.frame, box.repeats) for box in framed} == {("layer1.0 to layer1.35", 36)}
    assert ("layer1.0.add1", "avgpool1") in arrows(drawn)


def test_blocks_become_single_boxes_where_that_is_still_too_much():
    drawn = outline(residual(36), most=4)
    block = next(box for box in drawn.boxes if box.kind == "block")
    assert block.lines == ("layer1.0", "2 x conv 3x3, 8", "add")
    assert block.repeats == 36
    assert block.shortcut


def test_a_chain_without_scopes_collapses_too():
    drawn = outline(plain(300))
    assert labels(drawn) == ["input", "conv 1x1, 3", "output"]
    assert drawn.boxes[1].repeats == 300


def test_parallel_equal_branches_are_all_drawn():
    def family(x: nn.Tensor) -> nn.Tensor:
        return nn.concat(*[nn.conv(x, 3, 1) for _ in range(5)])

    assert labels(outline(nn.write("parallel", (3, 8, 8), family), most=3)).count("conv 1x1, 3") == 5


@pytest.mark.parametrize("net", [residual(1), residual(12), residual(100), branched(), plain(30), plain(300)], ids=str)
def test_a_picture_has_few_boxes_in_separate_places(net):
    drawn = outline(net)
    cells = place(drawn).cells
    assert len(drawn.boxes) <= MOST_BOXES + 3
    assert len(set(cells)) == len(cells)
    assert all(cells[a][0] < cells[b][0] for a, b in drawn.arrows)


def test_the_trunk_is_straight_and_heads_stand_aside():
    drawn = outline(branched())
    column = {box.name: cell[1] for box, cell in zip(drawn.boxes, place(drawn).cells, strict=True)}
    assert {column[name] for name in (INPUT, "stem", "mixed.concat1", "avgpool1", "fc1")} == {0}
    assert column["aux.flatten1"] != 0
    assert len({column[name] for name in ("mixed.conv2", "mixed.conv4", "mixed.pool1")}) == 3


@given(st.text(min_size=1, alphabet=st.characters(categories=("L", "N", "P", "S"))))
def test_any_name_is_escaped(name):
    net = Network(name, (3, 8, 8), (Node(name, ops.Activation("relu"), (INPUT,)),), name)
    root = ElementTree.fromstring(svg(net))
    assert name in [text.text for text in root.iter(f"{SVG}text")]
    assert name in [title.text for title in root.iter(f"{SVG}title")]


def test_a_picture_is_the_same_for_equal_networks():
    assert svg(branched()) == svg(branched())
    assert svg(branched()) == svg(Network.from_json(branched().to_json()))


def test_a_picture_shows_totals_sizes_and_repeats():
    root = ElementTree.fromstring(svg(residual(36)))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "residual" in texts
    assert "8x32x32" in texts
    assert "x 36" in texts
    assert any(text.startswith(f"{len(residual(36))} layers, 42.9 K parameters") for text in texts)


def test_a_picture_needs_nothing_from_outside():
    picture = svg(branched()).replace("http://www.w3.org/2000/svg", "")
    assert "http" not in picture
    assert "@import" not in picture


def test_everything_lies_inside_the_page():
    for net in (residual(3), residual(40), branched()):
        root = ElementTree.fromstring(svg(net))
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        for rect in root.iter(f"{SVG}rect"):
            assert 0 <= float(rect.get("x", 0)) <= width - float(rect.get("width", 0))
            assert 0 <= float(rect.get("y", 0)) <= height - float(rect.get("height", 0))


def scaled_branches(x: nn.Tensor) -> nn.Tensor:
    """Residual branches times a trained constant, which has no inputs."""
    x = nn.layer_norm(nn.conv(x, 8, 4, 4))
    for i in range(3):
        with nn.scope(f"blocks.{i}"):
            x = nn.add(x, nn.layer_scale(nn.leaky_relu(nn.group_norm(nn.conv(x, 8, 3), 2)), 1e-6, name="gamma"))
    return nn.linear(nn.global_avg_pool(x), 10)


def test_constants_are_boxes_without_arrows_to_them():
    net = nn.write("scaled", (3, 32, 32), scaled_branches)
    drawing = outline(net)
    box = next(i for i, box in enumerate(drawing.boxes) if box.lines == ("parameter 8x1x1",))
    assert not [arrow for arrow in drawing.arrows if arrow[1] == box]
    assert [arrow for arrow in drawing.arrows if arrow[0] == box]
    assert ("conv 3x3, 8", "group norm · leaky relu") in [box.lines for box in drawing.boxes]
    ElementTree.fromstring(svg(net))
