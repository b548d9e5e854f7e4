"""Image preparation as the published solution works: one process, one image after the other, a decode for every use.

    peer.py FOLDER OUT              prints one JSON object: wall and CPU seconds of each step
    peer.py FOLDER OUT --metadata   the metadata only
The arithmetic is that of test/oracles/imaging/oracle.py, which the tests compare with ours pixel for pixel.
"""
import json
import os
import sys
import time
import warnings

import pandas
import pydicom
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../test/oracles/imaging"))
import oracle  # noqa: E402

warnings.simplefilter("ignore")


class Files:
    """Reads a file each time that it is asked for."""

    def __init__(self, folder):
        self.folder = folder

    def __getitem__(self, image):
        return pydicom.dcmread(os.path.join(self.folder, image + ".dcm"))


def metadata(folder, out):
    names = sorted(name[:-4] for name in os.listdir(folder))
    # Pixels are not read here: kinder to the peer than the published notebook.
    rows = [oracle.describe(name, pydicom.dcmread(os.path.join(folder, name + ".dcm"), stop_before_pixels=True)) for name in names]
    pandas.DataFrame(rows).to_csv(os.path.join(out, "table.csv"), index=False)  # Debian has no pyarrow for Parquet.
    return rows


def timed(seconds, name, step, *arguments):
    start, cpu = time.perf_counter(), time.process_time()
    result = step(*arguments)
    seconds[name] = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    return result


def pictures(kind, folder, out, triplets):
    os.makedirs(os.path.join(out, kind), exist_ok=True)
    files = Files(folder)
    for triplet in triplets:
        Image.fromarray(oracle.KINDS[kind](files, triplet)).save(os.path.join(out, kind, triplet[1] + ".png"))


def main(folder, out, *flags):
    os.makedirs(out, exist_ok=True)
    seconds = {}
    rows = timed(seconds, "metadata", metadata, folder, out)
    triplets = timed(seconds, "triplets", oracle.make_triplets, rows)
    for kind in [] if flags else oracle.KINDS:
        timed(seconds, kind, pictures, kind, folder, out, triplets)
    json.dump(seconds, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
