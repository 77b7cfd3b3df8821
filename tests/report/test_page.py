"""A run's page says what the run's files say, and what they say cannot become markup."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

import convsmith
from convsmith.errors import UsageError
from convsmith.evaluation.metrics import measure
from convsmith.model import Header, save_model
from convsmith.report.page import page, write_page
from convsmith.report.record import find_runs, read_run
from convsmith.report.side_by_side import differences
from convsmith.train.run.folder import HARDEST_FILE, LOG_FILE, MODEL_FILE, PLAN_FILE, running
from convsmith.train.run.hardest_images import HardImage, write_hardest

STARTED = {
    **{"event": "started", "epochs": 3, "steps_per_epoch": 2, "batch_size": 8, "train_images": 16},
    **{"plan": "contiguous, float32", "epoch": 0, "step": 0},
}


def ended(epoch: int, accuracy: float | None = 0.5) -> dict[str, object]:
    figures = {"train_loss": 1.0 / epoch, "val_loss": None if accuracy is None else 2.0, "val_accuracy": accuracy}
    return {"event": "epochended", "epoch": epoch, **figures, "learning_rate": 0.1, "images_per_second": 1234.0}


def run_folder(folder: Path, events: list[dict[str, object]], reason: str = "as asked", **recipe: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    plan = {
        "network": convsmith.create("lenet5").to_json(),
        "reason": reason,
        "recipe": {"name": "default", "epochs": 3, **recipe},
        "data": {"name": "shapes", "images": {"train": {"<b>": 3}}, "skipped": ["bad.jpg: truncated"]},
    }
    (folder / PLAN_FILE).write_text(json.dumps(plan))
    (folder / LOG_FILE).write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def test_a_stopped_run_has_a_page_of_what_is_known(tmp_path: Path) -> None:
    record = read_run(run_folder(tmp_path / "a", [STARTED, ended(1), ended(2, 0.75)]))
    text = page(record)
    assert (record.state, len(record.epochs), record.best_val_accuracy) == ("stopped", 2, 0.75)
    for wanted in ("2 of 3", "75.00%", "61,706", "1,234 images/s", "shapes", "bad.jpg: truncated", "recipe.name"):
        assert wanted in text
    assert text.count("<svg") == 3
    assert "By class" not in text


@pytest.mark.parametrize(("kept", "state"), [((), "not begun"), ((0,), "not begun"), ((0, 7), "stopped")])
def test_a_run_that_ended_before_its_first_step_has_not_begun(
    tmp_path: Path, kept: tuple[int, ...], state: str
) -> None:
    folder = run_folder(tmp_path / "a", [STARTED])
    (folder / "checkpoint").mkdir()
    for steps in kept:
        (folder / f"checkpoint/step-{steps:012d}.safetensors").touch()
    assert read_run(folder).state == state


def test_what_a_file_says_is_text_and_not_markup(tmp_path: Path) -> None:
    text = page(read_run(run_folder(tmp_path, [STARTED], reason="<script>alert(1)</script>")))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<td><b>" not in text


def test_gradient_norms_are_a_curve_where_they_were_measured(tmp_path: Path) -> None:
    text = page(read_run(run_folder(tmp_path, [STARTED, {**ended(1), "gradient_norm": 2.5}, ended(2)])))
    assert text.count("<svg") == 4
    assert "Gradient norm" in text


def test_worst_images_are_on_the_page_itself_and_their_names_are_text(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, [STARTED, ended(1)])
    png = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    )
    write_hardest(folder, [HardImage('"><script>.png', "<i>cat", "dog", 3.14159, png)])
    text = page(read_run(folder))
    assert f'src="data:image/png;base64,{base64.b64encode(png).decode()}"' in text
    assert "&lt;i&gt;cat" in text
    assert "loss 3.14" in text
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="(\w+):', re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)) == ["data"]


def test_damaged_worst_images_are_named_and_the_rest_shown(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, [STARTED, ended(1)])
    (folder / HARDEST_FILE).write_text("[0]")
    record = read_run(folder)
    assert record.state == "damaged"
    assert HARDEST_FILE in page(record)


def test_confusions_have_the_names_of_their_classes_in_the_networks_order(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, [STARTED, ended(1)])
    classes = ("zebra", "ant")  # a model file's metrics come back sorted by name
    net = convsmith.create("lenet5", classes=2)
    preprocess = convsmith.Preprocess(1, (32, 32), 32, (0.5,), (0.5,))
    labels, logits = np.array([0, 0, 0, 1]), np.array([[9.0, 0], [9, 0], [0, 9], [0, 9]])
    header = Header(net, classes, preprocess, {}, measure(logits, labels, classes, split="test").to_json())
    save_model(header.with_weights(convsmith.build(net).state_dict()), folder / MODEL_FILE)
    rows = re.findall(r"<tr><td>(\w+)</td><td style=[^>]*>(\d*)</td><td style=[^>]*>(\d*)</td>", page(read_run(folder)))
    assert rows == [("zebra", "2", "1"), ("ant", "", "1")]


def test_a_run_without_val_split_or_without_epochs(tmp_path: Path) -> None:
    assert page(read_run(run_folder(tmp_path / "a", [STARTED, ended(1, None)]))).count("<svg") == 2
    assert page(read_run(run_folder(tmp_path / "b", []))).count("<svg") == 0


@pytest.mark.parametrize("line", ["{", '{"event": "epochended"}', "[1]", "\x00", '{"event": "started", "epochs": "x"}'])
def test_a_damaged_log_is_named_and_the_rest_shown(tmp_path: Path, line: str) -> None:
    folder = run_folder(tmp_path, [STARTED, ended(1)])
    with (folder / LOG_FILE).open("a") as file:
        file.write(line + "\n" + json.dumps(ended(2)) + "\n")
    record = read_run(folder)
    assert record.state == "damaged"
    assert LOG_FILE in record.problem
    assert record.problem.split()[0] in page(record)


def test_a_held_folder_is_running_and_cannot_be_held_twice(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, [STARTED, ended(1)])
    with running(folder):
        assert read_run(folder).state == "running"
        with pytest.raises(UsageError, match="is being trained by another process"), running(folder):
            pass
    assert read_run(folder).state == "stopped"


def test_runs_are_found_below_and_compared(tmp_path: Path) -> None:
    first = run_folder(tmp_path / "x" / "first", [STARTED, ended(1)], learning_rate=0.1)
    second = run_folder(tmp_path / "second", [STARTED, ended(1)], learning_rate=0.2)
    assert find_runs([tmp_path]) == [second, first]
    assert differences([read_run(first), read_run(second)]) == {"recipe.learning_rate": [0.1, 0.2]}
    assert write_page(read_run(first)).read_text().startswith("<!doctype html>")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no run: it has no run\.json"):
        read_run(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        find_runs([tmp_path / "nowhere"])
