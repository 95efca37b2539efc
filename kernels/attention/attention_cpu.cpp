// Which thread does which part of attention. Many tiles: a tile is a task and folds its splits as it goes. Few tiles (the
// decode of few sequences): a split of a tile is a task, in waves of kWave whose partial results are then folded. Both
// fold the same numbers in the same order.
#include <algorithm>

#include "kernels/attention/attention_tile.h"

namespace weft {
namespace cpu {
namespace {

constexpr int64_t kWave = 64;
constexpr int64_t kInlineWork = 1 << 16;  // multiply-adds below which waking threads costs more than it gains

int64_t few_tiles(int threads) { return 4 * threads; }

// Memory of one call, all from context.workspace.
struct Plan {
  const TileInput input;
  Tensor block_table;
  int64_t head_dim;
  std::span<Tile> tiles;
  float* scratch;  // a thread: scratch_floats, then one Partial
  int64_t scratch_stride;
  float* running;   // (few_tiles or threads) Partials
  float* partials;  // (kWave) Partials; only when tiles are few

  TileInput input_of(const Tile& tile) const {
    TileInput own = input;
    own.blocks = block_table.as<int32_t>() + tile.table_row * block_table.stride[0];
    return own;
  }
  float* scratch_of(int thread) const { return scratch + thread * scratch_stride; }
  Partial own_partial(int thread) const { return partial_at(scratch_of(thread) + scratch_floats(head_dim)); }
  Partial running_at(int64_t i) const { return partial_at(running + i * partial_floats(head_dim)); }
  Partial partial_of(int64_t i) const { return partial_at(partials + i * partial_floats(head_dim)); }
};

// Row 0 of a schedule: how many tiles follow, the rows of the batch, its longest context.
struct Summary {
  int32_t tiles, rows, longest;
  int32_t unused[kAttentionScheduleColumns - 3];
};
static_assert(sizeof(Tile) == kAttentionScheduleColumns * sizeof(int32_t) && sizeof(Summary) == sizeof(Tile));
Summary& summary_of(Tensor schedule) { return *reinterpret_cast<Summary*>(schedule.as<int32_t>()); }  // NOLINT
Tile* tiles_of(Tensor schedule) { return reinterpret_cast<Tile*>(&summary_of(schedule) + 1); }        // NOLINT

void attend_whole_tiles(const Plan& plan, Tensor out, int64_t grain, ThreadPool& pool) {
  const int window = plan.input.params.window;
  pool.parallel_for(std::ssize(plan.tiles), grain, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; ++i) {
      const Tile& tile = plan.tiles[i];
      const Partial running = plan.running_at(thread), part = plan.own_partial(thread);
      clear(running, tile.rows(), plan.head_dim);
      for (int64_t split = tile.split_begin(window); split < tile.split_end(); ++split) {
        attend_split(tile, plan.input_of(tile), split, part, plan.scratch_of(thread));
        fold(running, part, tile.rows(), plan.head_dim);
      }
      finish(out, tile, running);
    }
  });
}

// Splits of all tiles in order; a position in that order is found again by walking the (few) tiles.
struct Unit {
  int64_t tile, split;
};
Unit unit_at(const Plan& plan, int64_t index) {
  int64_t i = 0;
  for (;; ++i) {
    const int64_t first = plan.tiles[i].split_begin(plan.input.params.window), splits = plan.tiles[i].split_end() - first;
    if (index < splits) return {i, first + index};
    index -= splits;
  }
}

void attend_splits(const Plan& plan, Tensor out, int64_t units, int64_t grain, ThreadPool& pool) {
  for (size_t i = 0; i < plan.tiles.size(); ++i) clear(plan.running_at(i), plan.tiles[i].rows(), plan.head_dim);
  for (int64_t wave = 0; wave < units; wave += kWave) {
    const int64_t n = std::min(kWave, units - wave);
    pool.parallel_for(n, grain, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) {
        const Unit unit = unit_at(plan, wave + i);
        const Tile& tile = plan.tiles[unit.tile];
        attend_split(tile, plan.input_of(tile), unit.split, plan.partial_of(i), plan.scratch_of(thread));
      }
    });
    for (int64_t i = 0; i < n; ++i) {
      const int64_t tile = unit_at(plan, wave + i).tile;
      fold(plan.running_at(tile), plan.partial_of(i), plan.tiles[tile].rows(), plan.head_dim);
    }
  }
  for (size_t i = 0; i < plan.tiles.size(); ++i) finish(out, plan.tiles[i], plan.running_at(i));
}

}  // namespace

// By rows first, so that most rows of a thread's share are rows that it has made itself.
void attention_schedule(Tensor schedule, std::span<const HeadGroup> groups, const AttentionBatch& batch, Context&) {
  Tile* tiles = tiles_of(schedule);
  const int32_t* offset = batch.row_offsets.as<int32_t>();
  const int64_t capacity = schedule.dim(0) - 1;
  int64_t n = 0;
  int32_t longest = 0;
  WEFT_CHECK(offset[0] == 0, "rows begin at ", offset[0]);
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const int32_t row_begin = offset[s], row_end = offset[s + 1], rows = row_end - row_begin;
    const int32_t context = batch.context_len.as<int32_t>()[s], table_row = batch.table_rows.as<int32_t>()[s];
    WEFT_CHECK(rows >= 0 && rows <= context, "sequence ", s, " has ", rows, " rows, context ", context);
    WEFT_CHECK(table_row >= 0 && table_row < batch.block_table.dim(0), "row ", table_row, " of the block table ",
               batch.block_table.describe());
    longest = std::max(longest, context);
    for (int chunk = row_begin; chunk < row_end; chunk += kTileRows)
      for (const HeadGroup& group : groups)
        for (int head = group.q_begin; head < group.q_end; head += kTileRows) {
          const int heads = std::min(group.q_end - head, kTileRows), tokens = kTileRows / heads;
          const int chunk_end = std::min(chunk + kTileRows, row_end);
          for (int row = chunk; row < chunk_end; row += tokens) {
            WEFT_CHECK(n < capacity, "schedule ", schedule.describe(), " is too small");
            tiles[n++] = {
                table_row, group.kv_head, head, heads, row, std::min(tokens, chunk_end - row), context - row_end + row};
          }
        }
  }
  summary_of(schedule) = {static_cast<int32_t>(n), offset[batch.sequences()], longest, {}};
}

void attention(Tensor out, Tensor q, const PagedKv& kv, std::span<const HeadGroup>, const AttentionBatch& batch,
               Tensor schedule, const AttentionParams& params, Context& context) {
  const Summary& summary = summary_of(schedule);
  WEFT_CHECK(summary.rows == q.dim(0), "a schedule of ", summary.rows, " rows, q ", q.describe());
  WEFT_CHECK(summary.longest <= batch.block_table.dim(1) * kv.block_size(), "context ", summary.longest,
             " exceeds the block table ", batch.block_table.describe());
  const Arena::Scope scope(context.workspace);
  Arena& arena = context.workspace;
  const int threads = context.pool.threads();
  const int64_t head_dim = q.dim(2);
  const int64_t n_tiles = summary.tiles;

  Plan plan{{q, kv, nullptr, params},
            batch.block_table,
            head_dim,
            {tiles_of(schedule), static_cast<size_t>(n_tiles)},
            nullptr,
            0,
            nullptr,
            nullptr};
  plan.scratch_stride = scratch_floats(head_dim) + partial_floats(head_dim);
  plan.scratch = arena.array<float>(threads * plan.scratch_stride);
  plan.running = arena.array<float>(few_tiles(threads) * partial_floats(head_dim));
  plan.partials = arena.array<float>(kWave * partial_floats(head_dim));

  int64_t units = 0, work = 0;
  for (const Tile& tile : plan.tiles) {
    const int64_t splits = tile.split_end() - tile.split_begin(params.window);
    units += splits;
    work += std::min<int64_t>(splits * kSplit, tile.position + tile.tokens) * tile.rows() * head_dim;
  }
  const int64_t grain = work < kInlineWork ? units : 1;
  if (threads == 1 || n_tiles >= few_tiles(threads) || units == n_tiles)
    attend_whole_tiles(plan, out, grain, context.pool);
  else
    attend_splits(plan, out, units, grain, context.pool);
}

}  // namespace cpu

int64_t attention_schedule_rows(int64_t tokens, int64_t n_heads) { return 1 + tokens * n_heads; }

int64_t attention_workspace(int64_t head_dim, int threads) {
  const int64_t partial = cpu::partial_floats(head_dim);
  const int64_t floats[] = {threads * (cpu::scratch_floats(head_dim) + partial), cpu::few_tiles(threads) * partial,
                            cpu::kWave * partial};
  int64_t bytes = 0;
  for (int64_t n : floats) bytes += Arena::padded(n * static_cast<int64_t>(sizeof(float)));
  return bytes;
}

}  // namespace weft
