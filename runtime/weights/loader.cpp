#include "runtime/weights/loader.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>

#include "kernels/core/check.h"
#include "kernels/core/progress.h"
#include "kernels/quant/quant.h"

namespace weft {
namespace {

// Quantisation blocks are never cut.
Range whole_blocks(Range elements, DType dtype) {
  const int64_t block = dtype_info(dtype).block_elements;
  return {elements.begin / block * block, (elements.end + block - 1) / block * block};
}

// Covering columns. Activations are quantised in blocks of 32 stored columns whatever the weights are, so plain types begin on
// that grid too: the blocks must not depend on where a rank's columns begin.
Range cover(Range columns, DType dtype) { return whole_blocks({columns.begin / 32 * 32, columns.end}, dtype); }

// Where copy e begins in the tensor that a part names: of copies that lie one behind the other each has an equal share.
int64_t first_row_of_copy(const std::string& pattern, const NamedTensors::Entry& entry, int64_t e, int64_t copies) {
  return entry.first_row + (one_tensor_a_copy(pattern) ? 0 : e * (entry.rows / copies));
}

// This rank's rectangle of one tensor, and where it goes: a segment of a matrix, or f32 values.
struct Share {
  const NamedTensors::Entry* entry;
  Stored stored;
  Range rows, columns;    // of the part; columns covered. Of values: their elements, and none
  int64_t first_row = 0;  // of the copy in the tensor
  PackedMatrix* matrix = nullptr;
  int segment = 0;
  float* values = nullptr;

  int64_t row_bytes() const { return dtype_bytes(entry->dtype, columns.size()); }
  int64_t kept(Range of_rows) const {
    return matrix ? of_rows.size() * row_bytes() : dtype_bytes(entry->dtype, whole_blocks(of_rows, entry->dtype).size());
  }
};

// What a thread reads and packs at a time.
struct Piece {
  std::pair<size_t, size_t> position;  // file and byte
  const Share* share;
  Range rows;
};

class Reader {
 public:
  explicit Reader(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  void operator()(const Share& share, Range rows) {
    if (share.values) return read_values(share, rows);
    bytes_.resize(static_cast<size_t>(rows.size() * share.row_bytes()));
    if (share.stored.transposed) read_columns(share, rows);
    else read_rows(share, rows);
    share.matrix->fill(share.segment, rows.begin - share.rows.begin, rows.size(), bytes_.data(), share.row_bytes());
  }

 private:
  void read_rows(const Share& share, Range rows) {
    std::byte* out = bytes_.data();
    share.stored.runs(rows, [&](Range run) {
      checkpoint_.read(share.entry->stored, {share.first_row + run.begin, share.first_row + run.end}, share.columns, out);
      out += run.size() * share.row_bytes();
    });
  }

  // Of an (in, out) tensor: columns become rows.
  void read_columns(const Share& share, Range rows) {
    const int64_t element = dtype_bytes(share.entry->dtype, 1), n = share.columns.size();
    const Range stored_rows{share.first_row + share.columns.begin, share.first_row + share.columns.end};
    std::byte* out = bytes_.data();
    share.stored.runs(rows, [&](Range run) {
      turned_.resize(static_cast<size_t>(n * run.size() * element));
      checkpoint_.read(share.entry->stored, stored_rows, run, turned_.data());
      for (int64_t row = 0; row < run.size(); ++row)
        for (int64_t column = 0; column < n; ++column, out += element)
          std::memcpy(out, turned_.data() + (column * run.size() + row) * element, static_cast<size_t>(element));
    });
  }

  void read_values(const Share& share, Range elements) {
    float* out = share.values + (elements.begin - share.rows.begin);
    share.stored.runs(elements, [&](Range run) {
      const Range blocks = whole_blocks(run, share.entry->dtype);
      bytes_.resize(static_cast<size_t>(dtype_bytes(share.entry->dtype, blocks.size())));
      values_.resize(static_cast<size_t>(blocks.size()));
      checkpoint_.read(share.entry->stored, {share.first_row, share.first_row + 1}, blocks, bytes_.data());
      quant::dequantize(share.entry->dtype, bytes_.data(), values_.data(), blocks.size());
      out = std::copy_n(values_.data() + run.begin - blocks.begin, run.size(), out);
    });
  }

  const Checkpoint& checkpoint_;
  std::vector<std::byte> bytes_, turned_;
  std::vector<float> values_;
};

// Cut so that a piece stays in a core's cache until it is packed; a turned one is longer, for its rows are its reads' lengths.
std::vector<Piece> in_file_order(const std::vector<Share>& shares, const Checkpoint& checkpoint) {
  constexpr int64_t kPiece = 1 << 20, kTurned = 16 << 20, kPanel = PackedMatrix::kPanel;
  std::vector<Piece> pieces;
  for (const Share& share : shares) {
    if (share.rows.size() == 0 || (share.matrix && share.columns.size() == 0)) continue;
    const auto [file, begin] = checkpoint.position(share.entry->stored);
    const int64_t budget = share.stored.transposed ? kTurned : kPiece;
    const int64_t step = share.values ? share.rows.size() : std::max<int64_t>(budget / share.row_bytes() / kPanel, 1) * kPanel;
    for (int64_t row = share.rows.begin; row < share.rows.end; row += step) {
      const bool along_columns = share.values || share.stored.transposed;
      const int64_t stored_row = share.first_row + (along_columns ? 0 : share.stored.at(row));
      const size_t offset = static_cast<size_t>(stored_row * dtype_bytes(share.entry->dtype, share.entry->columns));
      pieces.push_back({{file, begin + offset}, &share, {row, std::min(row + step, share.rows.end)}});
    }
  }
  std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.position < b.position; });
  return pieces;
}

// Takes memory for what this rank holds.
class Plan {
 public:
  Plan(const NamedTensors& tensors, int rank) : tensors_(tensors), rank_(rank) {}

  void vector(const Census::Weight& weight, Vector& out) {
    const Part& part = weight.parts.front();
    out.values.resize(static_cast<size_t>(part.rows.held(rank_).size()));
    values(part.weight, part, part.rows.held(rank_), 0, 1, out.values.data());
  }

  void matrix(const Census::Weight& weight, int copy, PackedMatrix& out) {
    const int64_t copies = weight.copies.count();
    std::vector<float> bias;
    for (const Part& part : weight.parts)
      if (!part.bias.empty()) bias.resize(bias.size() + static_cast<size_t>(part.rows.held(rank_).size()));
    float* next_bias = bias.data();
    if (!bias.empty()) biases_.emplace_back(&out, std::move(bias));
    for (const Part& part : weight.parts) {
      const NamedTensors::Entry& entry = *tensors_.find(name_of_copy(part.weight, copy));
      const Range rows = part.rows.held(rank_), columns = weight.columns.held(rank_), covered = cover(columns, entry.dtype);
      if (out.segments().empty()) out = PackedMatrix(columns.size(), columns.begin - covered.begin, covered.size());
      shares_.push_back({&entry, part.stored, rows, covered, first_row_of_copy(part.weight, entry, copy, copies), &out,
                         out.add_segment(entry.dtype, rows.size())});
      if (part.bias.empty()) continue;
      values(part.bias, part, rows, copy, copies, next_bias);
      next_bias += rows.size();
    }
  }

  const std::vector<Share>& shares() const { return shares_; }
  void set_biases() {
    for (auto& [matrix, bias] : biases_) matrix->set_bias(std::move(bias));
  }

 private:
  void values(const std::string& name, const Part& part, Range elements, int64_t copy, int64_t copies, float* out) {
    const NamedTensors::Entry& entry = *tensors_.find(name_of_copy(name, copy));
    shares_.push_back({&entry, part.stored, elements, {}, first_row_of_copy(name, entry, copy, copies), nullptr, 0, out});
  }

  const NamedTensors& tensors_;
  int rank_;
  std::vector<Share> shares_;
  std::vector<std::pair<PackedMatrix*, std::vector<float>>> biases_;
};

}  // namespace

int64_t Census::bytes(const Weight& weight, const Part& part, int rank, DType dtype) {
  const int64_t rows = part.rows.held(rank).size();
  return rows * (weight.is_vector ? 4 : dtype_bytes(dtype, cover(weight.columns.held(rank), dtype).size()));
}

Loaded Loader::read(Weights& weights, ThreadPool& pool) const {
  const Checkpoint& checkpoint = tensors_->checkpoint();
  Plan plan(*tensors_, mesh_.rank);
  for (const Weight& weight : declared_) {
    if (weight.is_vector) {
      plan.vector(weight, weights.vectors[weight.index]);
      continue;
    }
    const std::vector<int>& held = weight.copies.held(mesh_.rank);
    for (size_t i = 0; i < held.size(); ++i) plan.matrix(weight, held[i], weights.matrices[weight.index][i]);
  }
  Loaded loaded{.read = -checkpoint.bytes_read()};
  for (const Share& share : plan.shares()) loaded.kept += share.kept(share.rows);
  const std::vector<Piece> pieces = in_file_order(plan.shares(), checkpoint);

  Progress progress(cat("loading ", checkpoint.path()), "bytes", loaded.kept, mesh_.rank == 0);
  std::vector<Reader> readers(static_cast<size_t>(pool.threads()), Reader(checkpoint));
  std::mutex mutex;
  std::exception_ptr failure;
  const auto n = std::ssize(pieces);
  const int64_t together = 16 * pool.threads();  // so that all threads are at one place of a file, and seldom wait for each other
  for (int64_t first = 0; first < n; first += together) {
    const int64_t last = std::min(first + together, n);
    pool.parallel_for(last - first, 1, [&](int64_t begin, int64_t end, int thread) {
      try {
        for (int64_t i = first + begin; i < first + end; ++i) readers[thread](*pieces[i].share, pieces[i].rows);
      } catch (...) {
        const std::lock_guard lock(mutex);
        failure = std::current_exception();
      }
    });
    if (failure) std::rethrow_exception(failure);
    for (int64_t i = first; i < last; ++i) progress.advance(pieces[i].share->kept(pieces[i].rows));
  }
  plan.set_biases();
  loaded.read += checkpoint.bytes_read();
  return loaded;
}

}  // namespace weft
