#!/usr/bin/env python3
"""Writes the small models that the reader tests and the fuzzer start from.

Run without arguments; the output under fixtures/ is checked in and the same on every
run. Every file stays below 64 KiB. Standard library only.
"""

import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "fixtures"

U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = 4, 5, 6, 7, 8, 9, 10, 11, 12
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
TYPE_IDS = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "BF16": 30,
}


class Random:
    """A linear congruential generator: the same values in every Python."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 40) / 2**24 - 0.5


# --- encodings of weights -------------------------------------------------------------


def encode(kind, values):
    if kind == "F32":
        return struct.pack(f"<{len(values)}f", *values)
    if kind == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    if kind == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    blocks = [values[i : i + 32] for i in range(0, len(values), 32)]
    if kind == "Q8_0":
        return b"".join(encode_q8_0(block) for block in blocks)
    if kind == "Q4_0":
        return b"".join(encode_q4_0(block) for block in blocks)
    blocks = [values[i : i + 256] for i in range(0, len(values), 256)]
    if kind in K_QUANTS:
        return b"".join(superblock_of_noise(kind, block) for block in blocks)
    if kind == "Q3_K":  # never decoded, so any bytes do
        return bytes(len(blocks) * 110)
    raise ValueError(kind)


def encode_q8_0(block):
    scale = max(abs(v) for v in block) / 127 or 1.0
    return struct.pack("<e32b", scale, *(round(v / scale) for v in block))


def encode_q4_0(block):
    scale = max(block, key=abs) / -8 or 1.0
    quants = [min(15, max(0, int(v / scale + 8.5))) for v in block]
    return struct.pack("<e", scale) + bytes(quants[i] | quants[i + 16] << 4 for i in range(16))


# Bytes of a superblock, where its half scales are, and what they are for weights below one.
K_QUANTS = {
    "Q4_K": (144, {0: 0.001, 2: 0.0075}),
    "Q5_K": (176, {0: 0.0005, 2: 0.0075}),
    "Q6_K": (210, {208: 0.0002}),
}


def superblock_of_noise(kind, block):
    """Any bits are valid quants and scales: bytes made of the values, not near to them."""
    size, halves = K_QUANTS[kind]
    raw = bytearray(int((v + 0.5) * 256) & 255 for v in block[:size])
    for at, scale in halves.items():
        raw[at : at + 2] = struct.pack("<e", scale)
    return bytes(raw)


# --- GGUF -----------------------------------------------------------------------------


def gguf_string(text):
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(kind, value):
    if kind == STRING:
        return gguf_string(value)
    if kind == ARRAY:
        element, items = value
        body = b"".join(gguf_value(element, item) for item in items)
        return struct.pack("<IQ", element, len(items)) + body
    return struct.pack("<" + SCALARS[kind], value)


def gguf(keys, tensors, version=3, alignment=32):
    """keys: [(name, type, value)], tensors: [(name, shape outermost first, kind, values)]."""
    header = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(keys))
    for name, kind, value in keys:
        header += gguf_string(name) + struct.pack("<I", kind) + gguf_value(kind, value)
    data = b""
    for name, shape, kind, values in tensors:
        header += gguf_string(name) + struct.pack("<I", len(shape))
        header += b"".join(struct.pack("<Q", n) for n in reversed(shape))
        header += struct.pack("<IQ", TYPE_IDS[kind], len(data))
        data += encode(kind, values)
        data += bytes(-len(data) % alignment)
    if not tensors:
        return header
    return header + bytes(-len(header) % alignment) + data


# --- vocabularies ---------------------------------------------------------------------


def byte_alphabet():
    """The printable character that byte-level BPE writes for each byte."""
    keep = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, extra = {}, 0
    for byte in range(256):
        if byte in keep:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


BPE_MERGES = ["Ġ t", "h e", "Ġ a", "i n", "Ġt he", "n d", "Ġa nd", "e r", "o u", "Ġ s", "r e", "in g"]
BPE_TOKENS = ["<|endoftext|>", *byte_alphabet().values(), *(m.replace(" ", "") for m in BPE_MERGES)]

SPM_PIECES = ["▁t", "he", "▁a", "in", "▁the", "nd", "▁and", "er", "ing"]


def spm_vocabulary(with_bytes):
    tokens = ["<unk>", "<s>", "</s>"]
    types = [2, 3, 3]
    if with_bytes:
        tokens += [f"<0x{b:02X}>" for b in range(256)]
        types += [6] * 256
    first_piece = len(tokens)
    tokens += SPM_PIECES
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz.,!?", "é"]
    tokens += letters
    types += [1] * (len(tokens) - len(types))
    scores = [0.0] * first_piece + [-float(i) for i in range(len(tokens) - first_piece)]
    return tokens, types, scores


def bpe_keys():
    return [
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, BPE_TOKENS)),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [3] + [1] * (len(BPE_TOKENS) - 1))),
        ("tokenizer.ggml.merges", ARRAY, (STRING, BPE_MERGES)),
        ("tokenizer.ggml.bos_token_id", U32, 0),
        ("tokenizer.ggml.eos_token_id", U32, 0),
        ("tokenizer.ggml.add_bos_token", BOOL, 1),
    ]


def spm_keys(with_bytes):
    tokens, types, scores = spm_vocabulary(with_bytes)
    return [
        ("tokenizer.ggml.model", STRING, "llama"),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        ("tokenizer.ggml.scores", ARRAY, (F32, scores)),
        ("tokenizer.ggml.token_type", ARRAY, (I32, types)),
        ("tokenizer.ggml.bos_token_id", U32, 1),
        ("tokenizer.ggml.eos_token_id", U32, 2),
        ("tokenizer.ggml.unknown_token_id", U32, 0),
        ("tokenizer.ggml.add_bos_token", BOOL, 1),
        ("tokenizer.chat_template", STRING, "{% for m in messages %}{{ m.content }}{% endfor %}"),
    ]


# --- models ---------------------------------------------------------------------------

LLAMA = dict(d=32, layers=1, heads=2, kv=1, ff=32, context=64)
OPT = dict(d=32, layers=1, heads=2, kv=2, ff=64, context=32)


def llama_tensors(vocab, kind, tied, rng):
    s = LLAMA
    kv_rows = s["d"] // s["heads"] * s["kv"]

    def matrix(name, rows, cols):
        return (name, [rows, cols], kind, [rng.uniform() for _ in range(rows * cols)])

    def norm(name):
        return (name, [s["d"]], "F32", [1.0 + rng.uniform() / 8 for _ in range(s["d"])])

    tensors = [matrix("token_embd.weight", vocab, s["d"])]
    for i in range(s["layers"]):
        b = f"blk.{i}."
        tensors += [
            norm(b + "attn_norm.weight"),
            matrix(b + "attn_q.weight", s["d"], s["d"]),
            matrix(b + "attn_k.weight", kv_rows, s["d"]),
            matrix(b + "attn_v.weight", kv_rows, s["d"]),
            matrix(b + "attn_output.weight", s["d"], s["d"]),
            norm(b + "ffn_norm.weight"),
            matrix(b + "ffn_gate.weight", s["ff"], s["d"]),
            matrix(b + "ffn_up.weight", s["ff"], s["d"]),
            matrix(b + "ffn_down.weight", s["d"], s["ff"]),
        ]
    tensors.append(norm("output_norm.weight"))
    if not tied:
        tensors.append(matrix("output.weight", vocab, s["d"]))
    return tensors


def opt_tensors(vocab, kind, rng):
    s = OPT

    def pair(name, rows, cols):
        weight = (name + ".weight", [rows, cols], kind, [rng.uniform() for _ in range(rows * cols)])
        bias = (name + ".bias", [rows], "F32", [rng.uniform() / 8 for _ in range(rows)])
        return [weight, bias]

    def norm(name):
        return [
            (name + ".weight", [s["d"]], "F32", [1.0 + rng.uniform() / 8 for _ in range(s["d"])]),
            (name + ".bias", [s["d"]], "F32", [rng.uniform() / 8 for _ in range(s["d"])]),
        ]

    tensors = [pair("token_embd", vocab, s["d"])[0], pair("position_embd", s["context"] + 2, s["d"])[0]]
    for i in range(s["layers"]):
        b = f"blk.{i}."
        tensors += norm(b + "attn_norm")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors += pair(b + name, s["d"], s["d"])
        tensors += norm(b + "ffn_norm")
        tensors += pair(b + "ffn_up", s["ff"], s["d"])
        tensors += pair(b + "ffn_down", s["d"], s["ff"])
    return tensors + norm("output_norm")


def llama_keys(vocab):
    s = LLAMA
    return [
        ("general.architecture", STRING, "llama"),
        ("general.name", STRING, "tiny llama"),
        ("general.alignment", U32, 32),
        ("llama.vocab_size", U32, vocab),
        ("llama.context_length", U32, s["context"]),
        ("llama.embedding_length", U32, s["d"]),
        ("llama.block_count", U32, s["layers"]),
        ("llama.feed_forward_length", U32, s["ff"]),
        ("llama.attention.head_count", U32, s["heads"]),
        ("llama.attention.head_count_kv", U32, s["kv"]),
        ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        ("llama.rope.dimension_count", U32, s["d"] // s["heads"]),
        ("llama.rope.freq_base", F32, 10000.0),
        ("llama.hidden_act", STRING, "relu"),
    ]


def opt_keys(vocab):
    s = OPT
    return [
        ("general.architecture", STRING, "opt"),
        ("opt.vocab_size", U32, vocab),
        ("opt.context_length", U32, s["context"]),
        ("opt.embedding_length", U32, s["d"]),
        ("opt.block_count", U32, s["layers"]),
        ("opt.feed_forward_length", ARRAY, (U32, [s["ff"]] * s["layers"])),
        ("opt.attention.head_count", U32, s["heads"]),
        ("opt.attention.layer_norm_epsilon", F32, 1e-5),
        ("opt.position_offset", U32, 2),
    ]


# --- safetensors and Hugging Face folders ---------------------------------------------


def safetensors(tensors):
    entries, data = {"__metadata__": {"format": "pt"}}, b""
    for name, shape, kind, values in tensors:
        raw = encode(kind, values)
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


HF_NAMES = {
    "llama": [
        ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head"),
        ("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"),
        ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"), ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
    ],
    "opt": [
        ("token_embd", "model.decoder.embed_tokens"), ("position_embd", "model.decoder.embed_positions"),
        ("output_norm", "model.decoder.final_layer_norm"), ("attn_norm", "self_attn_layer_norm"),
        ("ffn_norm", "final_layer_norm"), ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.out_proj"), ("ffn_up", "fc1"),
        ("ffn_down", "fc2"),
    ],
}


def hf_tensors(arch, tensors):
    names = dict(HF_NAMES[arch])
    layers = "model.layers" if arch == "llama" else "model.decoder.layers"
    renamed = []
    for name, shape, kind, values in tensors:
        parts = name.split(".")
        if parts[0] == "blk":
            name = f"{layers}.{parts[1]}.{names[parts[2]]}.{parts[3]}"
        else:
            name = f"{names[parts[0]]}.{parts[1]}"
        renamed.append((name, shape, kind, values))
    return renamed


def bpe_json():
    return {
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": "<|endoftext|>", "special": True, "normalized": False}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "post_processor": None,
        "model": {
            "type": "BPE", "unk_token": None, "byte_fallback": False, "continuing_subword_prefix": "",
            "vocab": {token: i for i, token in enumerate(BPE_TOKENS)},
            "merges": BPE_MERGES,
        },
    }


def spm_json():
    """The same vocabulary as spm_keys, in the shape that Llama 2 has on Hugging Face."""
    tokens, _, _ = spm_vocabulary(True)
    ids = {token: i for i, token in enumerate(tokens)}
    merges = []
    for piece in SPM_PIECES:
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ids and right in ids:
                merges.append([left, right])
    mark = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    specials = [(0, "<unk>"), (1, "<s>"), (2, "</s>")]
    return {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": text, "special": True} for i, text in specials],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, mark]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        },
        "model": {
            "type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True,
            "vocab": ids, "merges": merges,
        },
    }


def llama_config(vocab):
    s = LLAMA
    return {
        "model_type": "llama", "hidden_act": "relu", "hidden_size": s["d"], "intermediate_size": s["ff"],
        "num_hidden_layers": s["layers"], "num_attention_heads": s["heads"], "num_key_value_heads": s["kv"],
        "vocab_size": vocab, "max_position_embeddings": s["context"], "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "rope_scaling": None, "tie_word_embeddings": False, "bos_token_id": 0,
        "eos_token_id": 0,
    }


def opt_config(vocab):
    s = OPT
    return {
        "model_type": "opt", "activation_function": "relu", "hidden_size": s["d"], "ffn_dim": s["ff"],
        "num_hidden_layers": s["layers"], "num_attention_heads": s["heads"], "vocab_size": vocab,
        "max_position_embeddings": s["context"], "do_layer_norm_before": True, "word_embed_proj_dim": s["d"],
        "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": [2, 0],
    }


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def write(path, data):
    assert len(data) < 64 << 10, (path, len(data))
    target = OUT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def write_gguf_models():
    n_bpe = len(BPE_TOKENS)
    n_spm = len(spm_vocabulary(False)[0])
    for kind in ("F16", "BF16", "Q8_0", "Q4_0"):
        tensors = llama_tensors(n_bpe, kind, kind == "F16", Random(1))
        write(f"llama-{kind.lower()}.gguf", gguf(llama_keys(n_bpe) + bpe_keys(), tensors))
    tensors = llama_tensors(n_spm, "F32", False, Random(2))
    write("llama-f32.gguf", gguf(llama_keys(n_spm) + spm_keys(False), tensors))
    write("llama-v2.gguf", gguf(llama_keys(n_spm) + spm_keys(False), tensors, version=2))
    write("opt-f16.gguf", gguf(opt_keys(n_bpe) + bpe_keys(), opt_tensors(n_bpe, "F16", Random(3))))
    packed = [transposed(tensor) for tensor in llama_tensors(n_bpe, "Q4_0", False, Random(7))]
    layout = [("thermocline.layout", STRING, "neuron-major")]
    write("llama-packed.gguf", gguf(llama_keys(n_bpe) + layout + bpe_keys(), packed))
    write_k_quants(n_spm)
    unread = [("token_embd.weight", [4, 256], "Q3_K", [0.0] * 1024), ("a.weight", [3], "F32", [1, 2, 3])]
    write("unread-type.gguf", gguf(llama_keys(4), unread))


def transposed(tensor):
    """A down matrix as packed files hold it, a row for each neuron; anything else as it is."""
    name, shape, kind, values = tensor
    if not name.endswith("ffn_down.weight"):
        return tensor
    rows, cols = shape
    flat = [values[i * cols + j] for j in range(cols) for i in range(rows)]
    return (name.replace("ffn_down.", "ffn_down_t."), [cols, rows], kind, flat)


def write_k_quants(n_spm):
    """Rows of superblocks need a width of 256, and down matrices 256 neurons: two files keep both small."""
    rng = Random(6)

    def matrix(name, rows, cols, kind):
        return (name + ".weight", [rows, cols], kind, [rng.uniform() for _ in range(rows * cols)])

    def norm(name, n):
        return (name + ".weight", [n], "F32", [1.0 + rng.uniform() / 8 for _ in range(n)])

    def keys(d, layers, ff):
        changed = {"llama.embedding_length": d, "llama.block_count": layers, "llama.feed_forward_length": ff}
        extra = [("llama.attention.key_length", U32, 16), ("llama.attention.value_length", U32, 16)]
        base = [(name, kind, changed.get(name, value)) for name, kind, value in llama_keys(n_spm)]
        return [k for k in base if k[0] != "llama.rope.dimension_count"] + extra + spm_keys(False)

    rows = [
        matrix("token_embd", n_spm, 256, "Q4_K"), norm("output_norm", 256), matrix("output", n_spm, 256, "Q6_K"),
        norm("blk.0.attn_norm", 256), norm("blk.0.ffn_norm", 256),
        matrix("blk.0.attn_q", 32, 256, "Q4_K"), matrix("blk.0.attn_k", 16, 256, "Q5_K"),
        matrix("blk.0.attn_v", 16, 256, "Q6_K"), matrix("blk.0.attn_output", 256, 32, "Q4_0"),
        matrix("blk.0.ffn_gate", 32, 256, "Q4_K"), matrix("blk.0.ffn_up", 32, 256, "Q5_K"),
        matrix("blk.0.ffn_down", 256, 32, "Q8_0"),
    ]
    write("llama-k-rows.gguf", gguf(keys(256, 1, 32), rows))

    down = [matrix("token_embd", n_spm, 32, "Q4_0"), norm("output_norm", 32)]
    for i, kind in enumerate(("Q4_K", "Q5_K", "Q6_K")):
        b = f"blk.{i}."
        down += [norm(b + "attn_norm", 32), norm(b + "ffn_norm", 32), matrix(b + "attn_q", 32, 32, "Q4_0")]
        down += [matrix(b + "attn_k", 16, 32, "Q4_0"), matrix(b + "attn_v", 16, 32, "Q4_0")]
        down += [matrix(b + "attn_output", 32, 32, "Q4_0"), matrix(b + "ffn_gate", 256, 32, "Q4_0")]
        down += [matrix(b + "ffn_up", 256, 32, "Q4_0"), matrix(b + "ffn_down", 32, 256, kind)]
    write("llama-k-down.gguf", gguf(keys(32, 3, 256), down))


def write_vocabularies():
    every_type = [
        ("test.u8", 0, 200), ("test.i8", 1, -100), ("test.u16", 2, 60000), ("test.i16", 3, -30000),
        ("test.u32", U32, 4000000000), ("test.i32", I32, -2000000000), ("test.f32", F32, 0.5),
        ("test.bool", BOOL, 1), ("test.string", STRING, "Gruß"), ("test.u64", U64, 2**63),
        ("test.i64", I64, -(2**62)), ("test.f64", F64, 0.25), ("test.floats", ARRAY, (F32, [0.5] * 9)),
        ("test.nested", ARRAY, (ARRAY, [(U32, [1, 2]), (STRING, ["a", "bc"]), (ARRAY, [(0, [7])])])),
    ]
    arch = [("general.architecture", STRING, "gpt2")]
    write("vocab-bpe.gguf", gguf(arch + bpe_keys() + every_type, []))
    write("vocab-spm.gguf", gguf(arch + spm_keys(True), []))


def write_folders():
    n_bpe, n_spm = len(BPE_TOKENS), len(spm_vocabulary(True)[0])
    tensors = hf_tensors("llama", llama_tensors(n_bpe, "F16", False, Random(4)))
    write("hf-llama/config.json", compact(llama_config(n_bpe)))
    write("hf-llama/model.safetensors", safetensors(tensors))
    write("hf-llama/tokenizer.json", compact(bpe_json()))
    write("hf-llama/tokenizer_config.json", compact({
        "bos_token": "<|endoftext|>", "eos_token": {"content": "<|endoftext|>"}, "add_bos_token": True,
        "chat_template": [{"name": "tools", "template": "no"}, {"name": "default", "template": "{{ x }}"}],
    }))
    write("hf-llama/generation_config.json", compact({"eos_token_id": [0, 5]}))

    tensors = hf_tensors("opt", opt_tensors(n_spm, "BF16", Random(5)))
    half = len(tensors) // 2
    shards = {"model-00001-of-00002.safetensors": tensors[:half], "model-00002-of-00002.safetensors": tensors[half:]}
    index = {t[0]: name for name, part in shards.items() for t in part}
    write("hf-opt/config.json", compact(opt_config(n_spm)))
    write("hf-opt/model.safetensors.index.json", compact({"metadata": {}, "weight_map": index}))
    for name, part in shards.items():
        write("hf-opt/" + name, safetensors(part))
    write("hf-opt/tokenizer.json", compact(spm_json()))
    write("hf-opt/chat_template.jinja", b"{{ messages }}")


if __name__ == "__main__":
    write_gguf_models()
    write_vocabularies()
    write_folders()
