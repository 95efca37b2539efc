#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/core/check.h"
#include "launcher/job.h"
#include "runtime/weights/safetensors.h"

namespace weft {
namespace {

struct Cases {
  std::vector<std::vector<int32_t>> input_ids;
  int greedy_tokens = 0;
  bool greedy_logits = false;
};

std::vector<int32_t> int_list(const nlohmann::json& value, const std::string& what) {
  if (!value.is_array()) bad_input(what, " must be a list of integers");
  std::vector<int32_t> ids;
  for (const auto& item : value) {
    if (!item.is_number_integer()) bad_input(what, " must be a list of integers, not ", item.dump().substr(0, 40));
    const auto id = item.get<int64_t>();
    if (id != static_cast<int32_t>(id)) bad_input(what, ": ", id, " is no token id");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

std::vector<int32_t> read_case(const nlohmann::json& json, const std::string& where, const std::string& model_type) {
  if (!json.is_object() || !json.contains("input_ids")) bad_input(where, " must be an object with input_ids");
  const std::vector<int32_t> ids = int_list(json["input_ids"], where + ".input_ids");
  for (const auto& [key, value] : json.items()) {
    if (key == "input_ids") continue;
    if (key == "decoder_input_ids" || key == "token_type_ids")
      bad_input(where, ": ", key, " is not taken by decoder-only models such as ", model_type);
    if (key != "attention_mask") bad_input(where, ": unknown key '", key, "'");
    const std::vector<int32_t> mask = int_list(value, where + ".attention_mask");
    if (mask != std::vector<int32_t>(ids.size(), 1))
      bad_input(where, ".attention_mask: only all ones, as many as input_ids, is taken by decoder-only models such as ",
                model_type);
  }
  return ids;
}

Cases read_cases(const std::string& path, const std::string& model_type) {
  std::ifstream in(path, std::ios::binary);
  if (!in) bad_input("cannot read --input ", path);
  const auto json = nlohmann::json::parse(in, nullptr, false);
  if (json.is_discarded() || !json.is_object()) bad_input("--input ", path, " is not a JSON object");
  Cases cases;
  for (const auto& [key, value] : json.items()) {
    if (key == "greedy_tokens") {
      if (!value.is_number_integer() || value < 0 || value > 1 << 20)
        bad_input("--input ", path, ": greedy_tokens is ", value.dump(), "; it must be between 0 and ", 1 << 20);
      cases.greedy_tokens = value;
    } else if (key == "greedy_logits") {
      if (!value.is_boolean())
        bad_input("--input ", path, ": greedy_logits is ", value.dump().substr(0, 40), "; it must be true or false");
      cases.greedy_logits = value;
    } else if (key != "cases") {
      bad_input("--input ", path, ": unknown key '", key, "'");
    }
  }
  if (!json.contains("cases") || !json["cases"].is_array() || json["cases"].empty())
    bad_input("--input ", path, " must hold a list of cases that is not empty");
  for (const auto& item : json["cases"])
    cases.input_ids.push_back(read_case(item, cat(path, ": case ", cases.input_ids.size()), model_type));
  return cases;
}

void check_case(const Cases& cases, size_t i, int64_t vocab, int64_t limit) {
  const auto& ids = cases.input_ids[i];
  if (ids.empty()) bad_input("case ", i, ": input_ids is empty");
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab)
      bad_input("case ", i, ": token id ", id, " is out of range; the vocabulary has ids 0 to ", vocab - 1);
  if (static_cast<int64_t>(ids.size()) + cases.greedy_tokens > limit)
    bad_input("case ", i, ": ", ids.size(), " tokens and ", cases.greedy_tokens, " greedy ones exceed --max-model-len ",
              limit);
}

struct Greedy {  // of one case
  std::vector<int32_t> ids;
  std::vector<float> logits;  // (ids, vocabulary), if they are wanted
};

// All cases together: continuous batching changes no bit.
std::vector<Greedy> greedy(Engine& engine, const Cases& cases) {
  std::vector<Greedy> answers(cases.input_ids.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    Request request;
    request.id = i;
    request.prompt = cases.input_ids[i];
    request.max_tokens = cases.greedy_tokens;
    request.ignore_eos = true;
    request.logits = cases.greedy_logits;
    engine.submit(request);
  }
  while (engine.has_work())
    for (const TokenEvent& event : engine.step()) {
      if (event.finish == FinishReason::error) throw WorkError(cat("case ", event.id, ": ", event.error));
      Greedy& answer = answers[event.id];
      answer.ids.push_back(event.token);
      answer.logits.insert(answer.logits.end(), event.logits.begin(), event.logits.end());
    }
  return answers;
}

void check_finite(const std::vector<float>& logits, size_t i, const Engine& engine) {
  const auto bad = std::find_if_not(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  if (bad != logits.end())
    throw WorkError(
        cat("case ", i, ": ", not_finite((bad - logits.begin()) / engine.model().vocab_size + 1, engine.info())));
}

void score(Engine& engine, const Cases& cases, const ScoreOptions& o) {
  const size_t n = cases.input_ids.size();
  const int64_t vocab = engine.model().vocab_size;
  std::vector<std::pair<std::string, TensorInfo>> tensors;
  for (size_t i = 0; i < n; ++i) {
    tensors.push_back({cat("logits.", i), {DType::f32, {static_cast<int64_t>(cases.input_ids[i].size()), vocab}}});
    if (cases.greedy_tokens == 0) continue;
    tensors.push_back({cat("greedy_ids.", i), {DType::i32, {cases.greedy_tokens}}});
    if (cases.greedy_logits) tensors.push_back({cat("greedy_logits.", i), {DType::f32, {cases.greedy_tokens, vocab}}});
  }
  SafetensorsWriter writer(o.output, tensors);
  const auto write = [&](const std::string& name, const auto& values) {
    writer.write(name, values.data(), values.size() * sizeof(values[0]));
  };
  const std::vector<Greedy> answers = cases.greedy_tokens > 0 ? greedy(engine, cases) : std::vector<Greedy>();
  std::vector<float> logits;
  for (size_t i = 0; i < n; ++i) {
    logits.resize(cases.input_ids[i].size() * vocab);
    engine.score(cases.input_ids[i], logits.data());
    check_finite(logits, i, engine);
    write(cat("logits.", i), logits);
    if (cases.greedy_tokens == 0) continue;
    write(cat("greedy_ids.", i), answers[i].ids);
    if (cases.greedy_logits) write(cat("greedy_logits.", i), answers[i].logits);
  }
  writer.finish();
}

}  // namespace

int run_score(const ScoreOptions& options) {
  Cases cases;
  const auto prepare = [&](const ModelInfo& model, int64_t max_model_len) {
    cases = read_cases(options.input, model.model_type);
    for (size_t i = 0; i < cases.input_ids.size(); ++i) check_case(cases, i, model.vocab_size, max_model_len);
  };
  return run_job(options.common, prepare, [&](Engine& engine) { score(engine, cases, options); });
}

}  // namespace weft
