"""An independent implementation of the imaging pipeline: pydicom, NumPy, scipy.ndimage, one image after the other.

    oracle.py FOLDER            prints one JSON object: metadata rows, triplets, and per PNG kind and image the shape and
                                the SHA-256 of the pixels (row-major RGB)
Needs python3-pydicom and python3-scipy (Debian). Nothing here is shared with the TypeScript code.
"""
import hashlib
import json
import os
import sys
import warnings

import numpy as np
import pydicom
from scipy import ndimage

warnings.simplefilter("ignore")

INTEGERS = ["BitsAllocated", "BitsStored", "Columns", "HighBit", "PixelRepresentation", "Rows", "SamplesPerPixel"]
TEXTS = ["Modality", "PatientID", "PhotometricInterpretation", "SOPInstanceUID", "SeriesInstanceUID", "StudyID", "StudyInstanceUID"]
DECIMALS = ["RescaleIntercept", "RescaleSlope", "WindowCenter", "WindowWidth"]
VECTORS = {"ImageOrientationPatient": 6, "ImagePositionPatient": 3, "PixelSpacing": 2}


def first(value):
    return value[0] if isinstance(value, pydicom.multival.MultiValue) else value


def describe(image, ds):
    row = {"Image": image}
    for name in INTEGERS:
        row[name] = int(ds[name].value) if name in ds else None
    for name in TEXTS:
        row[name] = str(ds[name].value or "") if name in ds else None
    for name in DECIMALS:
        row[name] = float(first(ds[name].value)) if name in ds else None
    for name, length in VECTORS.items():
        for k in range(length):
            row[f"{name}_{k}"] = float(ds[name].value[k]) if name in ds else None
    return row


def read_folder(folder):
    found, uids = {}, set()
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".dcm"):
            continue
        try:
            ds = pydicom.dcmread(os.path.join(folder, name))
            if "Rows" in ds and ds.Modality == "CT" and is_slice(ds) and ds.SOPInstanceUID not in uids:
                uids.add(ds.SOPInstanceUID)
                found[name[:-4]] = ds
        except Exception:
            pass
    return found


def is_slice(ds):
    return (
        "LOCALIZER" not in ds.get("ImageType", [])
        and int(ds.get("NumberOfFrames", 1)) == 1
        and ds.PhotometricInterpretation.startswith("MONOCHROME")
    )


def make_triplets(rows):
    studies = {}
    for row in rows:
        studies.setdefault((row["StudyInstanceUID"], row["SeriesInstanceUID"] or ""), []).append(row)
    result = []
    for key in sorted(studies):
        ordered = sorted(studies[key], key=lambda row: -row["ImagePositionPatient_2"])
        names = [row["Image"] for row in ordered]
        result += [list(three) for three in zip(names[:1] + names[:-1], names, names[1:] + names[-1:])]
    return result


def hounsfield(ds):
    """int16, or None where the pixels cannot be had."""
    try:
        x = ds.pixel_array
    except Exception:
        return None
    if not x.any():
        return None  # A file that was never filled.
    intercept = float(ds.get("RescaleIntercept", 0))
    stored = x
    low = max(ds.HighBit + 1 - ds.BitsStored, 0)
    if ds.PixelRepresentation == 1:
        field = (x.astype(np.int64) >> low) & ((1 << ds.BitsStored) - 1)
        x = np.where(field >= 1 << (ds.BitsStored - 1), field - (1 << ds.BitsStored), field)
    elif low > 0:
        x = x >> low
    if ds.BitsStored == 12 and ds.PixelRepresentation == 0 and intercept > -100:
        x = x + 1000
        x[x >= 4096] = x[x >= 4096] - 4096
        intercept = -1000
    hu = x.astype(np.float32) * np.float32(ds.get("RescaleSlope", 1)) + np.float32(intercept)
    if "PixelPaddingValue" in ds:
        limits = sorted([int(ds.PixelPaddingValue), int(ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue))])
        inside = (stored >= limits[0]) & (stored <= limits[1])
        hu = np.where(inside, np.minimum(hu, np.float32(-1000)), hu)
    a, b = hu.shape
    if a > b:
        hu = np.pad(hu, ((0, 0), ((a - b) // 2, (a - b) // 2)))
    elif b > a:
        hu = np.pad(hu, (((b - a) // 2, (b - a) // 2), (0, 0)))
    return hu.astype(np.int16)


def window(hu, width, level):
    lower, upper = level - width / 2, level + width / 2
    return ((np.clip(hu, lower, upper) - lower) / (upper - lower) * 255).astype(np.uint8)


def crop(image):
    labels, count = ndimage.label(image)
    if count == 0:
        return np.zeros((512, 512, 3), np.uint8)
    sizes = np.bincount(labels.flatten())
    head = (labels == np.argmax(sizes[1:]) + 1).max(axis=-1)
    rows, columns = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    top, left = max(rows.min() - 10, 0), max(columns.min() - 10, 0)
    bottom, right = min(rows.max() + 11, image.shape[0]), min(columns.max() + 11, image.shape[1])
    return image[top:bottom, left:right, :]


def adjacent(images, triplet):
    red, green, blue = (hounsfield(images[name]) for name in triplet)
    if green is None:
        return np.zeros((512, 512, 3), np.uint8)
    channels = []
    for other in (red, green, blue):
        if other is None:
            other = np.zeros_like(green)  # A broken neighbour: zeros, as in the reference.
        elif other.shape != green.shape:
            other = green  # Our decision where the reference fails: as at a study's edge.
        channels.append(np.clip(other, 0, 255).astype(np.uint8))
    return crop(np.stack(channels, axis=-1))


def windows(images, triplet):
    hu = hounsfield(images[triplet[1]])
    if hu is None:
        return np.zeros((512, 512, 3), np.uint8)
    return crop(np.stack([window(hu, 80, 40), window(hu, 200, 80), window(hu, 2000, 600)], axis=-1))


KINDS = {"adjacent_hu": adjacent, "brain_subdural_bone": windows}


def main(folder):
    images = read_folder(folder)
    rows = [describe(image, ds) for image, ds in images.items()]
    triplets = make_triplets(rows)
    png = {}
    for kind, make in KINDS.items():
        png[kind] = {}
        for triplet in triplets:
            picture = np.ascontiguousarray(make(images, triplet))
            png[kind][triplet[1]] = {"shape": list(picture.shape), "sha256": hashlib.sha256(picture.tobytes()).hexdigest()}
    json.dump({"metadata": rows, "triplets": triplets, "png": png}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
