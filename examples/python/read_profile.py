"""What fires in a model: python3 read_profile.py PROFILE"""
import json, sys
import numpy as np

raw = np.fromfile(sys.argv[1], np.uint8)
end = 8 + int(raw[:8].view("<u8")[0])
header = json.loads(raw[8:end].tobytes())
metadata = header.pop("__metadata__")
types = {"I64": "<i8", "F64": "<f8", "U32": "<u4", "F32": "<f4"}


def tensor(name):
    info = header[name]
    first, last = (end + offset for offset in info["data_offsets"])
    return raw[first:last].view(types[info["dtype"]]).reshape(info["shape"])


def share_for(fires, part=0.8):
    """The smallest share of the neurons that makes this part of all firings (PowerInfer, Figure 4)."""
    counts = np.sort(fires)[::-1].cumsum()
    return (np.searchsorted(counts, part * counts[-1]) + 1) / len(fires)


layers = range(json.loads(metadata["model"])["layers"])
fires = [tensor(f"layers.{i}.fires") for i in layers]
for i in layers:
    tokens = tensor(f"layers.{i}.tokens")[0]
    print(f"layer {i}: {fires[i].mean() / tokens:5.1%} fire, {share_for(fires[i]):5.1%} make 80 % of the firings")
print(f"whole model: {share_for(np.concatenate(fires)):.1%}")
