#include "model/weights.h"

#include <set>

#include "backends/layout.h"
#include "tiers/weight_loader.h"

namespace thermocline {
namespace {

uint64_t Aligned(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// In memory, where rows may be longer than in the file.
uint64_t MatrixBytes(const TensorInfo& tensor) {
  return Aligned(static_cast<uint64_t>(tensor.shape[0] * RowBytes(tensor.type, tensor.shape[1])));
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

}  // namespace

// Collects the tensors a model must and may have.
class WeightPlanner {
 public:
  WeightPlanner(const ModelFile& file, const Hyperparameters& model) : file_(file), model_(model) {
    plan_.file_ = &file;
  }

  Result<WeightPlan> Plan() {
    ASSIGN_OR_RETURN(plan_.architecture_, FindArchitecture(model_));
    ASSIGN_OR_RETURN(plan_.activation_, FindActivation(model_));
    plan_.n_layers_ = model_.layers;
    if (plan_.architecture_->positions == PositionKind::kRope && model_.rope_dim % 2 != 0) {
      return Corrupt("the number of rotated dimensions, " + std::to_string(model_.rope_dim) +
                     ", is odd");
    }

    const int64_t d = model_.d_model;
    RETURN_IF_ERROR(Matrix("token_embd.weight", model_.vocab, d,
                           [](Weights& w) { return &w.embedding; }));
    if (plan_.architecture_->positions == PositionKind::kLearned) {
      RETURN_IF_ERROR(Matrix("position_embd.weight", model_.context + model_.position_offset, d,
                             [](Weights& w) { return &w.position_embedding; }));
    }
    for (int64_t layer = 0; layer < model_.layers; ++layer) RETURN_IF_ERROR(Layer(layer));
    RETURN_IF_ERROR(NormOf("output_norm", [](Weights& w) { return &w.output_norm; }));
    plan_.tied_ = file_.Find("output.weight") == nullptr;
    if (!plan_.tied_) {
      RETURN_IF_ERROR(
          Matrix("output.weight", model_.vocab, d, [](Weights& w) { return &w.output; }));
    }
    for (const TensorInfo& tensor : file_.tensors()) {
      if (used_.contains(tensor.name)) continue;
      return Status(StatusCode::kModelUnsupported,
                    "tensor '" + tensor.name + "' is not part of a " + model_.arch +
                        " model as we compute it; running without it would give wrong results",
                    file_.path());
    }
    return std::move(plan_);
  }

 private:
  using LinearOf = std::function<Linear*(Weights&)>;

  Status Corrupt(const std::string& reason) const {
    return Status(StatusCode::kModelCorrupt, reason, file_.path());
  }

  Result<const TensorInfo*> Find(const std::string& name, std::vector<int64_t> shape) {
    const TensorInfo* tensor = file_.Find(name);
    if (tensor == nullptr) return Corrupt("tensor '" + name + "' is missing");
    if (tensor->shape != shape) {
      return Corrupt("tensor '" + name + "' has shape " + ShapeText(tensor->shape) +
                     " where the model's settings say " + ShapeText(shape));
    }
    used_.insert(name);
    return tensor;
  }

  Status Matrix(const std::string& name, int64_t rows, int64_t cols,
                std::function<RowMatrix*(Weights&)> where) {
    ASSIGN_OR_RETURN(const TensorInfo* tensor, Find(name, {rows, cols}));
    plan_.bytes_ += MatrixBytes(*tensor);
    plan_.matrices_.push_back({tensor, std::move(where)});
    return Status::Ok();
  }

  Status Vector(const std::string& name, int64_t n,
                std::function<std::vector<float>*(Weights&)> where) {
    ASSIGN_OR_RETURN(const TensorInfo* tensor, Find(name, {n}));
    plan_.vectors_.push_back({tensor, std::move(where)});
    return Status::Ok();
  }

  Status NormOf(const std::string& name, std::function<Norm*(Weights&)> where) {
    RETURN_IF_ERROR(Vector(name + ".weight", model_.d_model,
                           [where](Weights& w) { return &where(w)->weight; }));
    if (plan_.architecture_->norm == NormKind::kRms) return Status::Ok();
    return Vector(name + ".bias", model_.d_model,
                  [where](Weights& w) { return &where(w)->bias; });
  }

  Status LinearAt(const std::string& name, int64_t rows, int64_t cols, LinearOf where) {
    RETURN_IF_ERROR(Matrix(name + ".weight", rows, cols,
                           [where](Weights& w) { return &where(w)->matrix; }));
    if (file_.Find(name + ".bias") == nullptr) return Status::Ok();
    return Vector(name + ".bias", rows, [where](Weights& w) { return &where(w)->bias; });
  }

  Status Layer(int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    const auto layer = [index](Weights& w) -> LayerWeights& {
      return w.layers[static_cast<size_t>(index)];
    };
    const int64_t d = model_.d_model;
    const int64_t d_q = model_.heads * model_.head_dim;
    const int64_t d_kv = model_.kv_heads * model_.head_dim;
    RETURN_IF_ERROR(
        NormOf(prefix + "attn_norm", [layer](Weights& w) { return &layer(w).attention_norm; }));
    RETURN_IF_ERROR(
        LinearAt(prefix + "attn_q", d_q, d, [layer](Weights& w) { return &layer(w).q; }));
    RETURN_IF_ERROR(
        LinearAt(prefix + "attn_k", d_kv, d, [layer](Weights& w) { return &layer(w).k; }));
    RETURN_IF_ERROR(
        LinearAt(prefix + "attn_v", d_kv, d, [layer](Weights& w) { return &layer(w).v; }));
    RETURN_IF_ERROR(
        LinearAt(prefix + "attn_output", d, d_q, [layer](Weights& w) { return &layer(w).o; }));
    RETURN_IF_ERROR(
        NormOf(prefix + "ffn_norm", [layer](Weights& w) { return &layer(w).ffn_norm; }));

    FfnBlockSource block;
    block.file = &file_;
    block.activation = plan_.activation_;
    block.n_neurons = model_.n_ff[static_cast<size_t>(index)];
    block.d_model = d;
    const int64_t n = block.n_neurons;
    if (plan_.architecture_->gated) {
      ASSIGN_OR_RETURN(block.gate, Find(prefix + "ffn_gate.weight", {n, d}));
    }
    ASSIGN_OR_RETURN(block.up, Find(prefix + "ffn_up.weight", {n, d}));
    RETURN_IF_ERROR(Down(prefix, &block));
    const auto optional = [&](const char* name, int64_t size,
                              const TensorInfo** tensor) -> Status {
      if (file_.Find(prefix + name) == nullptr) return Status::Ok();
      ASSIGN_OR_RETURN(*tensor, Find(prefix + name, {size}));
      return Status::Ok();
    };
    if (plan_.architecture_->gated) {
      RETURN_IF_ERROR(optional("ffn_gate.bias", n, &block.gate_bias));
    }
    RETURN_IF_ERROR(optional("ffn_up.bias", n, &block.up_bias));
    if (file_.Find(prefix + "ffn_down.bias") != nullptr) {
      RETURN_IF_ERROR(Vector(prefix + "ffn_down.bias", d,
                             [layer](Weights& w) { return &layer(w).ffn_down_bias; }));
    }
    plan_.ffn_blocks_.push_back({block});
    return Status::Ok();
  }

  // One of the two forms of the down matrix, the one that the file says it has.
  Status Down(const std::string& prefix, FfnBlockSource* block) {
    const std::string usual = prefix + "ffn_down.weight", packed = prefix + "ffn_down_t.weight";
    const std::string& left_over = model_.neuron_major ? usual : packed;
    block->neuron_major = model_.neuron_major;
    if (file_.Find(left_over) != nullptr) {
      return Corrupt(model_.neuron_major
                         ? "tensor '" + usual + "' has no place in a file whose layout is "
                               "neuron-major (key 'thermocline.layout'), where '" + packed +
                               "' stands for it; pack the model again"
                         : "tensor '" + packed + "' is there, but the file does not say that its "
                               "layout is neuron-major (key 'thermocline.layout'); pack the model "
                               "again");
    }
    ASSIGN_OR_RETURN(block->down,
                     model_.neuron_major ? Find(packed, {block->n_neurons, block->d_model})
                                         : Find(usual, {block->d_model, block->n_neurons}));
    if (model_.neuron_major && IsKQuant(block->down->type)) {
      return Status(StatusCode::kWeightTypeUnsupported,
                    "tensor '" + packed + "' is of type " + DTypeName(block->down->type) +
                        "; packed down matrices may be F32, F16, BF16, Q8_0 or Q4_0",
                    file_.path());
    }
    return Status::Ok();
  }

  const ModelFile& file_;
  const Hyperparameters& model_;
  std::set<std::string> used_;
  WeightPlan plan_;
};

Result<WeightPlan> WeightPlan::Make(const ModelFile& file, const Hyperparameters& model) {
  return WeightPlanner(file, model).Plan();
}

void WeightPlan::SetChosenFirst(bool chosen_first) {
  for (std::vector<FfnBlockSource>& blocks : ffn_blocks_) {
    for (FfnBlockSource& block : blocks) block.chosen_first = chosen_first;
  }
}

Result<Weights> WeightPlan::Load(Accountant& accountant, LoadList& reads) const {
  Weights weights;
  weights.architecture = architecture_;
  weights.activation = activation_;
  weights.tied = tied_;
  weights.bytes = bytes_;
  ASSIGN_OR_RETURN(weights.reservation, accountant.Reserve(bytes_, "weights"));
  ASSIGN_OR_RETURN(weights.memory, HugeBuffer::Allocate(static_cast<size_t>(bytes_)));
  weights.layers.resize(static_cast<size_t>(n_layers_));
  for (size_t i = 0; i < weights.layers.size(); ++i) weights.layers[i].ffn_blocks = ffn_blocks_[i];

  uint64_t at = 0;
  for (const Slot& slot : matrices_) {
    std::byte* const data = weights.memory.data() + at;
    const int64_t rows = slot.tensor->shape[0];
    const int64_t cols = slot.tensor->shape[1];
    const RowMatrix matrix = MakeRowMatrix(slot.tensor->type, rows, cols, data);
    AddRows(*file_, *slot.tensor, 0, rows, nullptr, data, matrix.stride, reads);
    *slot.matrix(weights) = matrix;
    at += MatrixBytes(*slot.tensor);
  }
  for (const VectorSlot& slot : vectors_) {
    std::vector<float>& values = *slot.vector(weights);
    const int64_t n = slot.tensor->elements();
    values.resize(static_cast<size_t>(n));
    RETURN_IF_ERROR(AddVector(*file_, *slot.tensor, 0, n, nullptr, values.data(), reads));
  }
  if (tied_) weights.output = weights.embedding;
  return weights;
}

}  // namespace thermocline
