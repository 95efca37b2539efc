#include "runtime/engine/step_engine.h"
#include "kernels/core/log.h"

#include <algorithm>

namespace weft {
namespace {

int64_t arena_bytes(const Model& model, const Settings& s, ThreadPool& pool) {
  return std::max(model.workspace(s.limits, s.mesh, s.arithmetic, pool), Sampler::workspace(s.limits.max_rows, s.mesh));
}

void check_ids(std::span<const int32_t> ids, int64_t vocab, int64_t max_model_len) {
  if (ids.empty()) bad_input("the prompt is empty; it must have at least one token");
  if (static_cast<int64_t>(ids.size()) > max_model_len)
    bad_input("the prompt has ", ids.size(), " tokens; at most ", max_model_len, " fit (--max-model-len)");
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab) bad_input("token id ", id, " is out of range; the vocabulary has ids 0 to ", vocab - 1);
}

}  // namespace

void check_prompt(std::span<const int32_t> ids, int64_t vocab_size, int64_t max_model_len) {
  check_ids(ids, vocab_size, max_model_len);
  if (std::ssize(ids) == max_model_len)
    bad_input("the prompt has ", ids.size(), " tokens, which leaves no room to generate under --max-model-len ",
              max_model_len);
}

int64_t workspace_bytes(const Model& model, const Settings& s, ThreadPool& pool) {
  const int64_t logits = s.limits.max_rows * vocab_slice(model.info.vocab_size, s.mesh).size();
  return arena_bytes(model, s, pool) + logits * static_cast<int64_t>(sizeof(float));
}

StepEngine::StepEngine(Model model, std::unique_ptr<ThreadPool> pool, const Settings& s, RankComm&& comm)
    : model_(std::move(model)),
      pool_(std::move(pool)),
      info_{.mesh = s.mesh,
            .arithmetic = s.arithmetic,
            .kv_dtype = s.kv_dtype,
            .threads = pool_->threads(),
            .max_model_len = s.max_model_len,
            .kv_blocks = s.kv_blocks,
            .block_size = s.block_size,
            .weight_bytes = model_.weights->bytes(),
            .workspace_bytes = workspace_bytes(model_, s, *pool_),
            .kv_bytes = KvShape{model_.paged, s.block_size, s.kv_dtype}.block_bytes() * s.kv_blocks,
            .loaded = s.loaded},
      workspace_(arena_bytes(model_, s, *pool_)),
      context_{*pool_, workspace_},
      kv_(KvShape{model_.paged, s.block_size, s.kv_dtype}, s.kv_blocks),
      groups_(*comm.tensors, s.mesh),
      runner_(model_, kv_, parallel(s.arithmetic), s.limits, s.max_seqs,
              (s.max_model_len + s.block_size - 1) / s.block_size),
      sampler_(model_.info.vocab_size, s.limits.max_rows, parallel(s.arithmetic)),
      scheduler_({s.max_seqs, static_cast<int>(s.limits.max_tokens)}, s.kv_blocks, s.block_size),
      score_rows_(s.limits.max_rows),
      comm_(std::move(comm)) {}

StepEngine::~StepEngine() {
  if (comm_.host->rank() != 0 || ranks_released_) return;
  try {
    stop_ranks();
  } catch (const std::exception& e) {
    log_error("cannot stop the other ranks: ", e.what());
  }
}

void StepEngine::check_request(const Request& r) const {
  check_prompt(r.prompt, model().vocab_size, info_.max_model_len);
  if (r.max_tokens < 1) bad_input("max_tokens is ", r.max_tokens, "; it must be at least 1");
  if (r.n_generated < 0 || r.n_generated >= r.max_tokens || r.n_generated >= static_cast<int64_t>(r.prompt.size()))
    bad_input("n_generated is ", r.n_generated, "; it must be less than max_tokens and than the ", r.prompt.size(),
              " ids given");
  check_sampling(r.sampling);
  if (active_.contains(r.id)) bad_input("request id ", r.id, " is in use");
}

void StepEngine::submit(const Request& request) {
  check_request(request);
  const auto length = static_cast<int64_t>(request.prompt.size());
  const int64_t left = std::min<int64_t>(request.max_tokens - request.n_generated, info_.max_model_len - length);
  scheduler_.add(request.id, request.prompt, length + left, request.cache_salt);
  active_.emplace(request.id, Active{.sampling = request.sampling,
                                     .ignore_eos = request.ignore_eos,
                                     .logits = request.logits,
                                     .n_generated = request.n_generated,
                                     .left = left});
  stats_.prompt_tokens += length;
}

void StepEngine::cancel(RequestId id) {
  const auto it = active_.find(id);
  if (it == active_.end()) return;
  cancelled_.push_back({.id = id, .finish = FinishReason::cancelled, .fingerprint = it->second.fingerprint, .error = {}});
  forget(id);
}

void StepEngine::forget(RequestId id) {
  const auto it = active_.find(id);
  active_.erase(it);
  scheduler_.remove(id);
}

std::vector<TokenEvent> StepEngine::step() {
  std::vector<TokenEvent> events = std::exchange(cancelled_, {});
  if (!scheduler_.has_work()) return events;
  StepPlan plan = scheduler_.schedule();
  ask_for_tokens(plan);
  step_begins_(scheduler_.scheduled());
  const Sampler::Drawn drawn = run(plan);
  scheduler_.completed();
  const int64_t vocab = model().vocab_size;
  auto echoed = echoed_.begin();
  for (size_t i = 0; i < drawn.ids.size(); ++i) {
    TokenEvent& event = events.emplace_back();
    event.id = scheduler_.sampled()[i];
    Active& active = active_.at(event.id);
    event.fingerprint = active.fingerprint += drawn.fingerprints[i];
    event.cached_tokens = static_cast<int>(scheduler_.cached_tokens(event.id));
    if (active.logits) event.logits.assign(std::exchange(echoed, echoed + vocab), echoed);
    take(event, drawn.ids[i]);
  }
  return events;
}

// What the ranks need to know to draw a token for every sequence whose ids are all computed.
void StepEngine::ask_for_tokens(StepPlan& plan) {
  auto id = scheduler_.sampled().begin();
  for (StepPlan::Chunk& chunk : plan.chunks) {
    if (!chunk.draw) continue;
    Active& active = active_.at(*id);
    if (!active.begun) {
      active.begun = true;
      const std::span<const int32_t> ids = scheduler_.ids(*id);
      StepPlan::Begin& begin = plan.begins.emplace_back();
      begin = {.sequence = chunk.sequence, .sampling = active.sampling, .n_generated = active.n_generated, .ids = {}};
      if (active.sampling.penalises()) begin.ids.assign(ids.begin(), ids.end());
    }
    chunk.echo = active.logits;
    ++id;
  }
}

// Whatever goes wrong in a step on one rank ends it on all: they cannot know how far the others came.
template <class Fn>
auto StepEngine::abort_on_error(Fn&& fn) {
  try {
    return fn();
  } catch (const CommError&) {  // all ranks get this one
    ranks_released_ = true;
    throw;
  } catch (const std::exception& e) {
    ranks_released_ = true;
    comm_.tensors->abort(cat("rank ", comm_.host->rank(), ": ", e.what()));
    throw;
  }
}

Sampler::Drawn StepEngine::run(const StepPlan& plan) {
  ++stats_.steps;
  return abort_on_error([&] {
    if (comm_.host->size() > 1) comm_.host->publish(plan.serialise());
    return compute(plan);
  });
}

Sampler::Drawn StepEngine::compute(const StepPlan& plan) {
  const Tensor logits = runner_.run(plan);
  echo(plan, logits);
  return sampler_.draw(plan, logits);
}

// The logits that somebody wants to see, on rank 0.
void StepEngine::echo(const StepPlan& plan, Tensor logits) {
  const int64_t vocab = model().vocab_size;
  Parallel p = parallel(info_.arithmetic);
  echoed_.clear();
  int64_t row = 0;
  for (const StepPlan::Chunk& chunk : plan.chunks) {
    const int64_t rows = chunk.all_logits ? chunk.n_tokens : chunk.draw ? 1 : 0;
    if (chunk.all_logits || chunk.echo) {
      const size_t before = echoed_.size();
      if (comm_.host->rank() == 0) echoed_.resize(before + static_cast<size_t>(rows * vocab));
      gather_logits(Tensor(echoed_.data() + before, {rows, vocab}), logits.slice(row, row + rows), vocab, p);
    }
    row += rows;
  }
}

// Ends the request with this token or lets it go on.
void StepEngine::take(TokenEvent& event, int32_t token) {
  Active& active = active_.at(event.id);
  event.token = token;
  if (token < 0) {
    event.finish = FinishReason::error;
    event.error = not_finite(std::ssize(scheduler_.ids(event.id)), info_);
  } else {
    ++stats_.generated_tokens;
    if (!active.ignore_eos && is_eos(token))
      event.finish = FinishReason::stop;
    else if (--active.left == 0)
      event.finish = FinishReason::length;
  }
  if (event.finish == FinishReason::none)
    scheduler_.append(event.id, token);
  else
    forget(event.id);
}

bool StepEngine::is_eos(int32_t token) const {
  const std::vector<int32_t>& eos = model().eos_token_ids;
  return std::find(eos.begin(), eos.end(), token) != eos.end();
}

EngineStats StepEngine::stats() const {
  EngineStats s = stats_;
  s.running = scheduler_.running();
  s.waiting = scheduler_.waiting();
  s.free_blocks = scheduler_.blocks().free();
  s.total_blocks = scheduler_.blocks().total();
  s.preemptions = scheduler_.preemptions();
  s.cached_tokens = scheduler_.cached_tokens();
  s.router_layers = {model_.routers().begin(), model_.routers().end()};
  for (const RouterStats& layer : s.router_layers) s.router += layer;
  s.traffic = comm_.tensors->traffic();
  return s;
}

void StepEngine::score(const std::vector<int32_t>& ids, float* out) {
  WEFT_CHECK(!has_work(), "score() while requests run");
  check_ids(ids, model().vocab_size, info_.max_model_len);
  BlockManager& manager = scheduler_.blocks();
  const auto length = static_cast<int64_t>(ids.size());
  struct Blocks {
    BlockManager& manager;
    std::vector<int32_t> held;
    ~Blocks() {
      for (const int32_t block : held) manager.release(block);
    }
  } blocks{manager, {}};
  while (static_cast<int64_t>(blocks.held.size()) < manager.blocks_for(length)) blocks.held.push_back(manager.allocate());
  for (int64_t begin = 0; begin < length; begin += score_rows_) {
    const int64_t end = std::min(length, begin + score_rows_);
    StepPlan plan;
    plan.tokens.assign(ids.begin() + begin, ids.begin() + end);
    plan.chunks.push_back({.start = static_cast<int32_t>(begin),
                           .n_tokens = static_cast<int32_t>(end - begin),
                           .all_logits = true,
                           .new_blocks = blocks.held});
    run(plan);
    std::copy(echoed_.begin(), echoed_.end(), out + begin * model().vocab_size);
  }
}

void StepEngine::stop_ranks() {
  ranks_released_ = true;
  StepPlan plan;
  plan.stop = true;
  if (comm_.host->size() > 1) comm_.host->publish(plan.serialise());
}

void StepEngine::serve_steps() {
  abort_on_error([&] {
    for (;;) {
      const StepPlan plan = StepPlan::deserialise(comm_.host->receive());
      if (plan.stop) return;
      compute(plan);
    }
  });
}

void StepEngine::check_integrity() const {
  scheduler_.check_integrity();
  for (const auto& [id, active] : active_) WEFT_CHECK(scheduler_.contains(id) && active.left > 0, "request ", id);
}

}  // namespace weft
