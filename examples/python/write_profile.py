"""A profile from counts made elsewhere: python3 write_profile.py COUNTS.npy TOKENS MODEL.json PROFILE

COUNTS.npy has the firings, [layers][n_ff]; MODEL.json is what `thermocline inspect MODEL --json` prints.
"""
import json, sys
import numpy as np

counts, tokens = np.load(sys.argv[1]).astype("<i8"), int(sys.argv[2])
inspected = json.load(open(sys.argv[3]))

tensors = {}
for i, fires in enumerate(counts):
    tensors[f"layers.{i}.fires"] = fires
    tensors[f"layers.{i}.tokens"] = np.array([tokens], "<i8")

header, offset = {}, 0
for name, values in tensors.items():
    header[name] = {"dtype": "I64", "shape": values.shape, "data_offsets": [offset, offset + values.nbytes]}
    offset += values.nbytes
header["__metadata__"] = {
    "format": "thermocline.activation-profile", "format_version": "1",
    "fingerprint": inspected["fingerprint"], "model": json.dumps(inspected["model"]),
    "made_by": json.dumps({"tool": "our own counter", "version": "1", "options": {}}),
}
text = json.dumps(header).encode()
with open(sys.argv[4], "wb") as file:
    file.write(len(text).to_bytes(8, "little") + text + b"".join(t.tobytes() for t in tensors.values()))
