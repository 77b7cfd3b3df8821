"""A model's answers as a tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convsmith.evaluation.nouns.hierarchical import by_wordnet
from convsmith.evaluation.nouns.meaning import Meant
from convsmith.report.hierarchy import text_of, tree_of, write_tree
from convsmith.wordnet import shipped

IDS = ("n02085620", "n02099601", "n02123045", "n02835271")
FOUND = by_wordnet(
    np.eye(4)[[0, 1, 1, 0, 2]] * 5,
    np.array([0, 0, 1, 2, 3]),
    Meant.of(IDS, IDS, shipped()),
    data="<photos>",
    split="test",
)


def test_a_chain_without_forks_is_one_branch() -> None:
    (root,) = tree_of(FOUND)
    assert root.name.startswith("entity > ")
    assert len(root.kinds) > 1


def test_every_class_with_images_is_a_leaf() -> None:
    def leaves(branch):
        return [branch.level.wordnet_id] if not branch.kinds else [one for kind in branch.kinds for one in leaves(kind)]

    assert set(leaves(tree_of(FOUND)[0])) == set(IDS)


def test_the_text_gives_the_figures_and_the_tree() -> None:
    text = text_of(FOUND)
    assert "top-1 accuracy      40.00%" in text
    assert "hierarchical error" in text
    assert "dog" in text


def test_the_page_is_whole_and_escapes_names(tmp_path: Path) -> None:
    write_tree(FOUND, tmp_path / "tree.html")
    page = (tmp_path / "tree.html").read_text()
    assert "&lt;photos&gt;" in page
    assert "<photos>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "golden retriever" in page
