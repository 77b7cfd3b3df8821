"""The images that a network is most wrong about: often mislabelled, spoiled, or of a kind that the data has few of."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith.errors import DataError, RunFolderError
from convsmith.records import json_text
from convsmith.train.run.folder import HARDEST_FILE

if TYPE_CHECKING:  # whoever lists runs reads this file, and needs no arrays for it
    import numpy as np
    from numpy.typing import NDArray

    from convsmith.data.dataset import Split
    from convsmith.evaluation.predictions import Predictions

IMAGES_SHOWN = 12

THUMBNAIL_SIDE = 96
"""Pixels of a thumbnail's longer side, about."""

LARGEST_FILE_BYTES = 1 << 22
"""Bytes of the file that are read: a dozen thumbnails take a twentieth of it."""

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class HardImage:
    """An image with a high loss (cross-entropy in nats): its name, its class, what it was called, a small PNG."""

    name: str
    label: str
    predicted: str
    loss: float
    png: bytes

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    def pixels(self) -> NDArray[np.uint8]:
        """uint8 RGB (h, w, 3)."""
        import numpy as np
        from PIL import Image

        with Image.open(io.BytesIO(self.png), formats=["PNG"]) as image:
            return np.asarray(image.convert("RGB"))


def hardest_images(split: Split, predictions: Predictions, classes: Sequence[str]) -> tuple[HardImage, ...]:
    """The images with the highest losses, the highest first, at most `IMAGES_SHOWN`; unreadable ones are skipped."""
    found = []
    for place in predictions.hardest(IMAGES_SHOWN):
        row = int(predictions.rows[place])
        try:
            pixels = split.images[row]
        except (DataError, OSError):
            continue
        label, predicted = classes[split.labels[row]], classes[predictions.predicted[place]]
        found.append(
            HardImage(split.images.name(row), label, predicted, float(predictions.losses[place]), _png(pixels))
        )
    return tuple(found)


def write_hardest(run_dir: Path, images: Iterable[HardImage]) -> None:
    """Writes them into the run's folder, for its page."""
    from convsmith.files import write_bytes

    described = [
        {
            **{"name": image.name, "label": image.label, "predicted": image.predicted, "loss": image.loss},
            "png": base64.b64encode(image.png).decode(),
        }
        for image in images
    ]
    write_bytes(run_dir / HARDEST_FILE, json_text(described).encode())


def read_hardest(run_dir: Path) -> tuple[HardImage, ...]:
    """What `write_hardest` wrote; none where it has not. Raises RunFolderError if the file is damaged."""
    path = run_dir / HARDEST_FILE
    if not path.exists():
        return ()
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(LARGEST_FILE_BYTES))
        if not isinstance(data, list):
            raise ValueError("it holds no list")
        return tuple(_from_json(one) for one in data[:IMAGES_SHOWN])
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {error.strerror}") from None
    except KeyError as error:
        raise RunFolderError(f"{path} is damaged: an image lacks its {error}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from None


def _from_json(data: Any) -> HardImage:
    png = base64.b64decode(data["png"], validate=True)
    if not png.startswith(PNG):
        raise ValueError("an image is no PNG")
    loss = float("nan") if data["loss"] is None else float(data["loss"])
    return HardImage(str(data["name"]), str(data["label"]), str(data["predicted"]), loss, png)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """A thumbnail of uint8 (H, W, 3): photographs made smaller, tiny images larger with their pixels to be seen."""
    from PIL import Image

    image = Image.fromarray(pixels)
    times = THUMBNAIL_SIDE // max(image.size)
    if times > 1:
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    else:
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
