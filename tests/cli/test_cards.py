import json

from command import Command


def test_certify_prints_figure_by_figure_and_counts(convsmith: Command) -> None:
    done = convsmith("certify", "mobilenet_v1*")
    assert done.code == 0
    assert "mobilenet_v1:0.5-160   multiply-adds  explained" in done.out
    assert done.out.splitlines()[-1].startswith("networks: 17; rows: 51: ")


def test_certify_as_json(convsmith: Command) -> None:
    rows = json.loads(convsmith("certify", "torchvision/resnet18", "--json").out)
    assert [(row["figure"], row["verdict"]) for row in rows] == [("parameters", "equal"), ("multiply-adds", "equal")]


def test_certify_of_an_unknown_name_is_bad_usage(convsmith: Command) -> None:
    done = convsmith("certify", "resnot")
    assert done.code == 2
    assert "no network matches 'resnot'" in done.err


def test_show_prints_the_paper_card(convsmith: Command) -> None:
    assert "He, Zhang, Ren, Sun, 2015; arXiv 1512.03385" in convsmith("show", "resnet50", "--paper").out
    assert json.loads(convsmith("show", "resnet50", "--paper", "--json").out)["paper"]["year"] == 2015
    assert convsmith("show", "resnot50", "--paper").code == 2
