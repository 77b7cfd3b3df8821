"""The architecture as an SVG picture: boxes from top to bottom, sizes on the arrows, repeated blocks drawn once."""

from __future__ import annotations

from itertools import groupby
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from convsmith.network.describe import short
from convsmith.network.dims import elements, text
from convsmith.network.network import Network
from convsmith.picture.outline import MOST_BOXES, Box, Kind, Outline, outline
from convsmith.picture.placement import Layout, place

FILLS: dict[Kind, str] = {
    "data": "#ffffff",
    "convolution": "#cfe2f7",
    "depthwise": "#c4ebe4",
    "dense": "#e3d5f3",
    "pooling": "#fbdcbc",
    "joining": "#d6ecc3",
    "other": "#ececec",
    "block": "#e4ebf3",
}
LINE, GAP, MARGIN, LETTER = 15, 34, 24, 6.4
HEADER = 84
FRAME = 9
ARC = 22
STYLE = (
    "text{font-family:Helvetica,Arial,sans-serif;font-size:12px;fill:#1c2733}"
    ".small{font-size:10px;fill:#5a6774}.bold{font-weight:bold}.title{font-size:18px;font-weight:bold}"
    ".box{stroke:#5a6774;stroke-width:1}.frame{fill:#f7f9fb;stroke:#aab6c2;stroke-dasharray:4 3}"
    ".size{paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}"
    ".edge{fill:none;stroke:#5a6774;stroke-width:1.3}"
)


def svg(net: Network, most: int = MOST_BOXES) -> str:
    """An SVG document of at most about `most` boxes, the same for equal networks.

    Norms and functions share the box of the layer that they follow; where that is still too many boxes, equal blocks
    in a row are drawn once and marked with their number, then blocks and at last stages become one box each.
    """
    page = _Page(outline(net, most))
    root = page.draw()
    _header(root, net, page)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


class _Page:
    """Coordinates of an outline's boxes, and their drawing."""

    def __init__(self, drawn: Outline) -> None:
        self.outline = drawn
        self.layout: Layout = place(drawn)
        self.box_width = max(120.0, *(LETTER * len(line) + 24 for box in drawn.boxes for line in box.lines))
        heights = [0.0] * self.layout.rows
        for box, (row, _) in zip(drawn.boxes, self.layout.cells, strict=True):
            heights[row] = max(heights[row], _height(box))
        self.tops = [HEADER + sum(heights[:row]) + GAP * row for row in range(self.layout.rows)]
        frames = max((LETTER * len(box.frame) for box in drawn.boxes), default=0.0)
        self.left = MARGIN + 2.5 * ARC
        self.width = max(520.0, self.left + len(self.layout.columns) * (self.box_width + GAP) + frames + MARGIN)
        self.height = self.tops[-1] + heights[-1] + MARGIN

    def rectangle(self, index: int) -> tuple[float, float, float, float]:
        """x, y, width and height of a box."""
        row, column = self.layout.cells[index]
        x = self.left + (column - self.layout.columns[0]) * (self.box_width + GAP)
        return x, self.tops[row], self.box_width, _height(self.outline.boxes[index])

    def draw(self) -> Element:
        size = {"width": f"{self.width:g}", "height": f"{self.height:g}"}
        box = f"0 0 {self.width:g} {self.height:g}"
        root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "viewBox": box})
        SubElement(root, "style").text = STYLE
        marker = {"id": "tip", "viewBox": "0 0 8 8", "refX": "7", "refY": "4", "markerWidth": "7", "markerHeight": "7"}
        tip = SubElement(SubElement(root, "defs"), "marker", {**marker, "orient": "auto"})
        SubElement(tip, "path", {"d": "M0 0 8 4 0 8z", "fill": "#5a6774"})
        SubElement(root, "rect", {**size, "fill": "#ffffff"})
        self._frames(root)
        for source, target in self.outline.arrows:
            _arrow(root, self._path(source, target))
        for index, one in enumerate(self.outline.boxes):
            self._box(root, index, one)
        return root

    def _box(self, root: Element, index: int, box: Box) -> None:
        x, y, width, height = self.rectangle(index)
        group = SubElement(root, "g")
        SubElement(group, "title").text = ", ".join(box.layers)
        place = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{height:g}", "rx": "5"}
        SubElement(group, "rect", {"class": "box", **place, "fill": FILLS[box.kind]})
        for i, line in enumerate(box.lines):
            style = "small" if i else "bold" if box.kind == "block" else ""
            _text(group, x + width / 2, y + 17 + LINE * i, line, style, anchor="middle")
        if box.repeats > 1 and not box.frame:
            _text(group, x + width + 6, y + 17, f"x {box.repeats}", "bold")
        if box.shortcut:
            _arrow(
                group, f"M{x:g} {y + 9:g}C{x - ARC:g} {y + 9:g} {x - ARC:g} {y + height - 9:g} {x:g} {y + height - 9:g}"
            )
        if self.outline.sizes[index]:
            _text(group, x + width / 2 + 6, y + height + 12, self.outline.sizes[index], "small size")

    def _frames(self, root: Element) -> None:
        numbered = [(box.frame, box.repeats, i) for i, box in enumerate(self.outline.boxes) if box.frame]
        labels: list[tuple[float, float, str, str]] = []
        for (frame, repeats), group in groupby(numbered, key=lambda item: item[:2]):
            corners = [self.rectangle(i) for _, _, i in group]
            left, top = min(x for x, *_ in corners) - FRAME, min(y for _, y, *_ in corners) - FRAME
            right = max(x + width for x, _, width, _ in corners) + FRAME
            bottom = max(y + height for _, y, _, height in corners) + FRAME
            place = {"x": f"{left:g}", "y": f"{top:g}", "width": f"{right - left:g}", "height": f"{bottom - top:g}"}
            SubElement(root, "rect", {"class": "frame", **place, "rx": "8"})
            labels.append((right + 7, top + 14, frame, "small size"))
            if repeats > 1:
                labels.append((right + 7, top + 31, f"x {repeats}", "bold size"))
        for label in labels:  # over all frames: a neighbour's may begin here
            _text(root, *label)

    def _path(self, source: int, target: int) -> str:
        """Straight down where nothing stands in the way, through a free column, or in an arc around the left side."""
        x, y, width, height = self.rectangle(source)
        to_x, to_y, _, to_height = self.rectangle(target)
        (row, column), (to_row, to_column) = self.layout.cells[source], self.layout.cells[target]
        start, end, bottom = x + width / 2, to_x + width / 2, y + height
        if column == to_column and self.layout.clear(column, row, to_row):
            return f"M{start:g} {bottom:g}V{to_y:g}"
        bend = GAP * 0.7
        if column != to_column and self.layout.clear(column, row, to_row):
            down = to_y - GAP
            return f"M{start:g} {bottom:g}V{down:g}C{start:g} {down + bend:g} {end:g} {to_y - bend:g} {end:g} {to_y:g}"
        if column != to_column and self.layout.clear(to_column, row, to_row):
            turn = bottom + GAP
            return f"M{start:g} {bottom:g}C{start:g} {turn:g} {end:g} {turn - bend:g} {end:g} {turn:g}V{to_y:g}"
        reach = min(x, to_x) - ARC - min(ARC, 4.0 * (to_row - row))
        middle, to_middle = y + height / 2, to_y + to_height / 2
        return f"M{x:g} {middle:g}C{reach:g} {middle:g} {reach:g} {to_middle:g} {to_x:g} {to_middle:g}"


def _height(box: Box) -> float:
    return 11 + LINE * len(box.lines)


def _header(root: Element, net: Network, page: _Page) -> None:
    """Name, totals and the legend of the colours used."""
    params = sum(elements(p.shape) for p in net.parameters.values() if p.trainable)
    running = net.inference
    macs = sum(node.op.macs(running.shapes[node.name], *running.inputs_of(node)) for node in running)
    totals = f"{len(net)} layers, {short(params)} parameters, {short(macs)} multiply-adds at {text(net.input)}"
    _text(root, MARGIN, 32, net.name, "title")
    _text(root, MARGIN, 50, totals, "small")
    x = float(MARGIN)
    for kind, fill in FILLS.items():
        if kind != "data" and any(box.kind == kind for box in page.outline.boxes):
            SubElement(
                root, "rect", {"class": "box", "x": f"{x:g}", "y": "60", "width": "10", "height": "10", "fill": fill}
            )
            _text(root, x + 14, 69, kind, "small")
            x += 28 + LETTER * len(kind)


def _arrow(parent: Element, path: str) -> None:
    SubElement(parent, "path", {"class": "edge", "d": path, "marker-end": "url(#tip)"})


def _text(parent: Element, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
    attributes = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor}
    SubElement(parent, "text", {**attributes, "class": style} if style else attributes).text = words
