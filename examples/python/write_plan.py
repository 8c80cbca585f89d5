"""A placement plan of one's own, everything in memory: python3 write_plan.py PROFILE PLAN RAM_BYTES"""
import json, sys
import numpy as np

profile, path, ram = sys.argv[1], sys.argv[2], int(sys.argv[3])
raw = np.fromfile(profile, np.uint8)
end = 8 + int(raw[:8].view("<u8")[0])
header = json.loads(raw[8:end].tobytes())
source = header["__metadata__"]

tensors = {}
for i, n_ff in enumerate(json.loads(source["model"])["n_ff"]):
    first, last = (end + offset for offset in header[f"layers.{i}.contribution"]["data_offsets"])
    contribution = raw[first:last].view("<f8")  # how much each neuron adds, not only how often
    tensors[f"layers.{i}.order"] = np.argsort(-contribution, kind="stable").astype("<u4")
    tensors[f"layers.{i}.tier_end"] = np.array([0, n_ff], "<u4")  # none on the GPU, all in memory

plan, offset = {}, 0
for name, values in tensors.items():
    plan[name] = {"dtype": "U32", "shape": values.shape, "data_offsets": [offset, offset + values.nbytes]}
    offset += values.nbytes
plan["__metadata__"] = {
    "format": "thermocline.placement-plan", "format_version": "1",
    "fingerprint": source["fingerprint"], "model": source["model"],
    "budget_bytes": json.dumps({"gpu": 0, "cpu": ram, "flash": 0}),
}
text = json.dumps(plan).encode()
with open(path, "wb") as file:
    file.write(len(text).to_bytes(8, "little") + text + b"".join(t.tobytes() for t in tensors.values()))
