"""Pictures as vision models take them: three channels of eight bits, on white where there is transparency."""

from typing import Any

from studio import Image

DEEP = 257  # 65535 / 255


def rgb(image: Image) -> Any:
    """`image` as a PIL picture in RGB."""
    import PIL.Image

    picture = image.pil
    if picture.mode == "I;16":
        return PIL.Image.fromarray((image.array // DEEP).astype("uint8")).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    ground = PIL.Image.new("RGBA", picture.size, "white")
    return PIL.Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
