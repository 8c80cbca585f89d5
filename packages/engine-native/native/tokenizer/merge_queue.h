// The loop that byte-level BPE and SentencePiece share: join the best adjacent
// pair until no pair can be joined. A heap of candidate pairs over a linked list
// of symbols makes it O(n log n) in the length of the word.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace thermocline {

// A piece of the word; joined into its left neighbour, it becomes dead.
struct Symbol {
  int32_t token;   // -1: no token
  uint32_t begin;  // bytes in the word
  uint32_t end;    // == begin: dead
  uint32_t previous;
  uint32_t next;  // kNoSymbol at either end
};
constexpr uint32_t kNoSymbol = UINT32_MAX;

struct Merge {
  uint32_t priority = 0;  // lower is better; equal ones go from left to right
  int32_t token = -1;     // what the pair becomes; -1: it cannot be joined
};

// Working memory of one Encode call, kept between words to spare allocations.
struct MergeScratch {
  struct Candidate {
    uint64_t order;  // priority, then position
    uint32_t left, right;
    uint32_t end;  // of the pair; tells whether the right symbol has grown since
    int32_t token;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

// Links `scratch.symbols` and joins them. `find(left, right)` gives the Merge of
// two neighbours. Afterwards the live symbols, in order, are the result.
template <typename FindMerge>
void MergeSymbols(MergeScratch& scratch, const FindMerge& find) {
  std::vector<Symbol>& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  using Candidate = MergeScratch::Candidate;
  const auto later = [](const Candidate& a, const Candidate& b) { return a.order > b.order; };
  const auto consider = [&](uint32_t left, uint32_t right) {
    if (left == kNoSymbol || right == kNoSymbol) return false;
    const Merge merge = find(symbols[left], symbols[right]);
    if (merge.token < 0) return false;
    const uint64_t order = (static_cast<uint64_t>(merge.priority) << 32) | left;
    heap.push_back({order, left, right, symbols[right].end, merge.token});
    return true;
  };

  heap.clear();
  const auto count = static_cast<uint32_t>(symbols.size());
  for (uint32_t i = 0; i < count; ++i) {
    symbols[i].previous = i == 0 ? kNoSymbol : i - 1;
    symbols[i].next = i + 1 == count ? kNoSymbol : i + 1;
  }
  for (uint32_t i = 0; i + 1 < count; ++i) consider(i, i + 1);
  std::make_heap(heap.begin(), heap.end(), later);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    // Either side may have been joined with something else in the meantime.
    if (left.begin == left.end || left.next != best.right || right.end != best.end) continue;

    left.token = best.token;
    left.end = right.end;
    left.next = right.next;
    right.begin = right.end;
    if (left.next != kNoSymbol) symbols[left.next].previous = best.left;
    if (consider(left.previous, best.left)) std::push_heap(heap.begin(), heap.end(), later);
    if (consider(best.left, left.next)) std::push_heap(heap.begin(), heap.end(), later);
  }
}

}  // namespace thermocline
