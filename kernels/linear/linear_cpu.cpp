// A task is one panel of weights times up to kRowBlock rows of x: it runs the whole plan and owns its piece of y, so tasks share
// nothing. Many rows are cut into one band a thread, as all other ops cut them, so that activations stay with the core that made
// them; in a band the tasks of one panel follow each other, which keeps its weights in cache.
#include <algorithm>
#include <cstring>

#include "kernels/linear/cpu_kernels.h"
#include "kernels/linear/linear.h"

namespace weft {
namespace {

constexpr int64_t kPanel = PackedMatrix::kPanel;
constexpr int64_t kRowBlock = 48;  // x and the plan's stack stay in L2; a multiple of every kernel's register tile

// Blocks of 32 stored columns that [k_begin, k_end) touches.
int64_t first_block(int64_t k_begin, int64_t k_offset) { return (k_begin + k_offset) / 32; }
int64_t count_blocks(const KPlan::Step& step, int64_t k_offset) {
  if (step.k_begin == step.k_end) return 0;
  return (step.k_end + k_offset + 31) / 32 - first_block(step.k_begin, k_offset);
}

// Rows [row_begin, row_end) of x belong to weights `w`; their tasks start at first_task.
struct Group {
  const PackedMatrix* w;
  int64_t row_begin, row_end, first_task;
  int64_t row_blocks() const { return (row_end - row_begin + kRowBlock - 1) / kRowBlock; }
};

// The form of x that a segment of weights takes: words of bf16 pairs where both are bf16, q8 where both are quantised, else the
// rounded values as f32.
enum class Form : uint8_t { f32, pairs, q8 };
Form form_of(DType weights, Arithmetic a) {
  if (a == Arithmetic::bf16 && weights == DType::bf16) return Form::pairs;
  return a == Arithmetic::q8 && is_quantised(weights) ? Form::q8 : Form::f32;
}

// x rounded to the arithmetic, in the forms that its weights take.
struct Rounded {
  const float* x;
  int64_t x_row;
  const int32_t* pairs;
  int64_t pair_row;
  cpu::QuantisedRows q8;
};

// Words of bf16 pairs a row of k columns covers; the first stored column may be the second of its pair.
int64_t pair_words(int64_t k, int64_t k_offset) { return (k_offset % 2 + k + 1) / 2; }

struct Work {
  Tensor y;
  const KPlan& plan;
  Arithmetic arithmetic;
  Rounded input;
  float* stacks;  // (threads, max_depth, kRowBlock, kPanel)
  const cpu::Kernels& kernels;
};

bool any_segment(std::span<const PackedMatrix> w, Arithmetic a, Form form) {
  for (const PackedMatrix& matrix : w)
    for (const PackedMatrix::Segment& s : matrix.segments())
      if (form_of(s.dtype, a) == form) return true;
  return false;
}

// Row m of x as q8, at its place in the tiles of its block of rows.
void quantise_row(const cpu::Kernels& kernels, const float* x, const KPlan& plan, int64_t k_offset, int64_t m,
                  const Group& g, const cpu::QuantisedRows& out, float* dequantised) {
  const int64_t block_begin = m - (m - g.row_begin) % kRowBlock;
  const int64_t block_rows = std::min(kRowBlock, g.row_end - block_begin), bytes = 32 * kernels.q_bytes;
  const cpu::RowTile tile = cpu::row_tile_of(block_rows, kernels.tile_rows, m - block_begin);
  const int64_t tile_begin = block_begin + tile.begin;
  std::byte* q = out.q + tile_begin * out.blocks * bytes + (m - tile_begin) * 4 * kernels.q_bytes;
  cpu::BlockScale* scales = out.scales + tile_begin * out.blocks + (m - tile_begin);
  for (const KPlan::Step& step : plan.steps) {
    for (int64_t k = step.k_begin; k < step.k_end; q += tile.rows * bytes, scales += tile.rows) {
      const int64_t first = (k + k_offset) % 32, n = std::min(32 - first, step.k_end - k);
      kernels.quantise(x + k, static_cast<int>(first), static_cast<int>(n), q, tile.rows, scales,
                       dequantised ? dequantised + k : nullptr);
      k += n;
    }
  }
}

// The group that `position` falls in, by row_begin or first_task.
const Group& find_group(std::span<const Group> groups, int64_t Group::*begin, int64_t position) {
  const auto after =
      std::upper_bound(groups.begin(), groups.end(), position, [begin](int64_t p, const Group& g) { return p < g.*begin; });
  return *(after - 1);
}

// All rows of x that a group uses.
Rounded round_rows(Tensor x, std::span<const PackedMatrix> w, std::span<const Group> groups, const KPlan& plan, Arithmetic a,
                   const cpu::Kernels& kernels, Context& context) {
  const float* source = x.as<float>();
  const int64_t rows = x.dim(0), k = x.dim(1), k_offset = w[0].k_offset();
  if (a == Arithmetic::f32) return {source, x.stride[0], nullptr, 0, {}};
  float* plain = any_segment(w, a, Form::f32) ? context.workspace.array<float>(rows * k) : nullptr;
  const int64_t words = pair_words(k, k_offset);
  int32_t* pairs = any_segment(w, a, Form::pairs) ? context.workspace.array<int32_t>(rows * words) : nullptr;
  Rounded out{plain, k, pairs, words, {}};
  if (a == Arithmetic::q8) {
    for (const KPlan::Step& step : plan.steps) out.q8.blocks += count_blocks(step, k_offset);
    out.q8.q = context.workspace.array<std::byte>(rows * out.q8.blocks * 32 * kernels.q_bytes);
    out.q8.scales = context.workspace.array<cpu::BlockScale>(rows * out.q8.blocks);
  }
  const int64_t begin = groups.front().row_begin, end = groups.back().row_end;
  context.pool.parallel_for(end - begin, 2, [&](int64_t first, int64_t last, int) {
    for (int64_t m = begin + first; m < begin + last; ++m) {
      const float* from = source + m * x.stride[0];
      float* to = plain ? plain + m * k : nullptr;
      if (pairs) kernels.round_pairs(from, k_offset % 2, k, pairs + m * words);
      if (a == Arithmetic::q8)
        quantise_row(kernels, from, plan, k_offset, m, find_group(groups, &Group::row_begin, m), out.q8, to);
      else if (plain)
        kernels.round(a, from, k, to);
    }
  });
  return out;
}

// One panel of a segment and the columns of y it produces.
struct Panel {
  DType dtype;
  const std::byte* data;
  int64_t n_begin, n;
};

Panel find_panel(const PackedMatrix& w, int64_t index) {
  for (const PackedMatrix::Segment& s : w.segments()) {
    if (index < s.panel_count())
      return {s.dtype, s.panels + index * s.panel_bytes, s.n_begin + index * kPanel,
              std::min(kPanel, s.n_rows - index * kPanel)};
    index -= s.panel_count();
  }
  return {};
}

int64_t panel_count(const PackedMatrix& w) {
  int64_t count = 0;
  for (const PackedMatrix::Segment& s : w.segments()) count += s.panel_count();
  return count;
}

void store_rows(const Work& work, int out, const float* sums, const Panel& panel, const float* bias, int64_t row,
                int64_t rows) {
  const Tensor& y = work.y;
  const int64_t y_row = y.stride[y.rank - 2], y_output = y.rank == 3 ? y.stride[0] : 0;
  float* to = y.as<float>() + out * y_output + row * y_row + panel.n_begin;
  for (int64_t m = 0; m < rows; ++m, to += y_row, sums += kPanel) {
    if (panel.n == kPanel)
      std::memcpy(to, sums, kPanel * sizeof(float));  // a few stores; the general form is a call
    else
      std::memcpy(to, sums, static_cast<size_t>(panel.n) * sizeof(float));
    if (bias)
      for (int64_t i = 0; i < panel.n; ++i) to[i] += bias[panel.n_begin + i];
  }
}

// The plan for one panel and rows [row, row + rows).
void run_plan(const Work& work, const PackedMatrix& w, const Panel& panel, int64_t row, int64_t rows, float* stack) {
  const Form form = form_of(panel.dtype, work.arithmetic);
  const int64_t entry = rows * kPanel, k_offset = w.k_offset();
  const Rounded& in = work.input;
  cpu::QuantisedRows q = in.q8;
  if (form == Form::q8) q.q += row * q.blocks * 32 * work.kernels.q_bytes, q.scales += row * q.blocks;
  float* top = stack;  // one past the last entry
  int64_t x_block = 0;
  for (const KPlan::Step& step : work.plan.steps) {
    const int64_t begin = k_offset + step.k_begin, end = k_offset + step.k_end;
    if (begin == end) {
      std::memset(top, 0, static_cast<size_t>(entry) * sizeof(float));
    } else if (form == Form::q8) {
      const int64_t blocks = count_blocks(step, k_offset);
      work.kernels.dot(panel.dtype, panel.data, first_block(step.k_begin, k_offset), blocks, q, x_block, rows, top);
      x_block += blocks;
    } else if (form == Form::pairs) {
      work.kernels.dot_bf16(panel.data, begin, end, in.pairs + row * in.pair_row + (begin / 2 - k_offset / 2), in.pair_row,
                            rows, top);
    } else {
      work.kernels.fma(panel.dtype, panel.data, begin, end, in.x + row * in.x_row + step.k_begin, in.x_row, rows, top);
    }
    for (int i = 0; i < step.merges; ++i, top -= entry) work.kernels.add(top - entry, top, entry);
    if (step.out >= 0)
      store_rows(work, step.out, top, panel, w.bias(), row, rows);
    else
      top += entry;
  }
}

// Where task `index` of a group of `blocks` row blocks and `panels` panels is.
struct Place {
  int64_t panel, block;
};
Place place_of(int64_t index, int64_t blocks, int64_t panels, int64_t threads) {
  const int64_t bands = std::min(blocks, threads);
  int64_t band = bands - 1;
  while (panels * (blocks * band / bands) > index) --band;
  const int64_t first = blocks * band / bands, size = blocks * (band + 1) / bands - first, i = index - panels * first;
  return {i / size, first + i % size};
}

void run_groups(Tensor y, Tensor x, std::span<const PackedMatrix> w, std::span<const Group> groups, const KPlan& plan,
                Arithmetic a, Context& context) {
  const cpu::Kernels& kernels = cpu::kernels();
  const int64_t begin = groups.front().row_begin, end = groups.back().row_end, panels = panel_count(w[0]);
  const int64_t stack_floats = plan.max_depth * std::min(kRowBlock, end - begin) * kPanel;
  Work work{y,
            plan,
            a,
            round_rows(x, w, groups, plan, a, kernels, context),
            context.workspace.array<float>(context.pool.threads() * stack_floats),
            kernels};
  const int64_t tasks = groups.back().first_task + groups.back().row_blocks() * panels;
  // Neighbouring panels lie one after another in memory: a thread that takes several in a row streams them.
  const int64_t grain = std::max<int64_t>(1, tasks / (4 * context.pool.threads()));
  context.pool.parallel_for(tasks, grain, [&](int64_t first, int64_t last, int thread) {
    for (int64_t task = first; task < last; ++task) {
      const Group& g = find_group(groups, &Group::first_task, task);
      const Place place = place_of(task - g.first_task, g.row_blocks(), panels, context.pool.threads());
      const int64_t row = g.row_begin + place.block * kRowBlock;
      run_plan(work, *g.w, find_panel(*g.w, place.panel), row, std::min(kRowBlock, g.row_end - row),
               work.stacks + thread * stack_floats);
    }
  });
}

}  // namespace

int64_t linear_workspace(int64_t m, int64_t k, const KPlan& plan, Arithmetic a, int threads) {
  constexpr int64_t kFloat = sizeof(float);
  int64_t bytes = Arena::padded(m * static_cast<int64_t>(sizeof(Group))) +
                  Arena::padded(threads * plan.max_depth * std::min(kRowBlock, m) * kPanel * kFloat);
  if (a != Arithmetic::f32) bytes += Arena::padded(m * k * kFloat);
  if (a == Arithmetic::bf16) bytes += Arena::padded(m * (k / 2 + 1) * kFloat);
  if (a == Arithmetic::q8) {
    int64_t blocks = 0;  // for any k_offset, and for the widest integers
    for (const KPlan::Step& step : plan.steps) blocks += (step.k_end - step.k_begin + 62) / 32;
    bytes += Arena::padded(m * blocks * 64) + Arena::padded(m * blocks * static_cast<int64_t>(sizeof(cpu::BlockScale)));
  }
  return bytes;
}

namespace cpu {

void linear(Tensor y, Tensor x, const PackedMatrix& w, const KPlan& plan, Arithmetic a, Context& context) {
  if (x.dim(0) == 0 || w.n() == 0) return;
  const Arena::Scope scope(context.workspace);
  const Group all{&w, 0, x.dim(0), 0};
  run_groups(y, x, {&w, 1}, {&all, 1}, plan, a, context);
}

void grouped_linear(Tensor y, Tensor x, std::span<const PackedMatrix> w, Tensor row_offsets, const KPlan& plan, Arithmetic a,
                    Context& context) {
  const Arena::Scope scope(context.workspace);
  const int32_t* offset = row_offsets.as<int32_t>();
  for (size_t e = 0; e < w.size(); ++e)
    WEFT_CHECK(0 <= offset[e] && offset[e] <= offset[e + 1] && offset[e + 1] <= x.dim(0), "group ", e, " is rows [",
               offset[e], ", ", offset[e + 1], ") of ", x.dim(0));
  if (w.empty() || offset[0] == offset[w.size()] || w[0].n() == 0) return;
  Group* groups = context.workspace.array<Group>(std::min<int64_t>(static_cast<int64_t>(w.size()), x.dim(0)));
  size_t count = 0;
  int64_t tasks = 0;
  for (size_t e = 0; e < w.size(); ++e) {
    if (offset[e] == offset[e + 1]) continue;
    const Group& group = groups[count++] = {&w[e], offset[e], offset[e + 1], tasks};
    tasks += group.row_blocks() * panel_count(w[e]);
  }
  run_groups(y, x, w, {groups, count}, plan, a, context);
}

}  // namespace cpu
}  // namespace weft
