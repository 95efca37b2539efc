#include "launcher/inspect_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "kernels/core/check.h"

namespace weft {
namespace {

std::string mib(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string millions(int64_t n) {
  char text[32];
  std::snprintf(text, sizeof text, n < 10'000'000 ? "%.3f M" : "%.1f M", static_cast<double>(n) / 1e6);
  return text;
}

std::string stored_as(const Inspection& model) {
  std::string text;
  for (const auto& [type, stored] : model.types) text += cat(text.empty() ? "" : ", ", stored.tensors, " ", type);
  return text.empty() ? "-" : text;
}

std::string fit(const Inspection::Need& need) {
  if (need.fits.value_or(false)) return "yes";
  return need.ranks ? cat("on ", *need.ranks, *need.ranks == 1 ? " rank" : " ranks") : "on no number of ranks";
}

std::string shape_of(const StoredTensor& tensor) {
  std::string text;
  for (const int64_t dim : tensor.shape) text += cat(text.empty() ? "(" : ", ", dim);
  return (tensor.tensors > 1 ? cat(tensor.tensors, " x ") : "") + text + ")";
}

void print_tensors(const std::vector<StoredTensor>& tensors) {
  int name = 6;
  for (const StoredTensor& t : tensors) name = std::max(name, static_cast<int>(t.name.size()));
  std::printf("%-*s %24s %-5s %-10s %14s  %-8s %s\n", name, "tensor", "shape", "type", "component", "bytes", "share",
              "bytes a rank");
  for (const StoredTensor& t : tensors) {
    const auto [least, most] = std::minmax_element(t.rank_bytes.begin(), t.rank_bytes.end());
    std::printf("%-*s %24s %-5s %-10s %14lld  %-8s %s\n", name, t.name.c_str(), shape_of(t).c_str(), weft::name(t.dtype),
                t.component.c_str(), static_cast<long long>(t.bytes), t.share,
                (*least == *most ? cat(*most) : cat(*least, " to ", *most)).c_str());
  }
  std::printf("\n");
}

}  // namespace

void print_details(const Inspection& model) {
  const ModelInfo& c = model.config;
  const Anatomy& a = model.anatomy;
  std::printf("%s: %d layers, hidden %lld, context %lld\n\n", c.model_type.c_str(), c.n_layers,
              static_cast<long long>(c.hidden_size), static_cast<long long>(c.max_position_embeddings));
  std::printf("%-10s %14s %14s  %s\n", "component", "parameters", "active", "kind");
  for (const auto& part : a.components)
    std::printf("%-10s %14s %14s  %s\n", part.name.c_str(), millions(part.parameters).c_str(), millions(part.active).c_str(),
                part.kind.c_str());
  std::printf("%-10s %14s %14s\n\n", "total", millions(a.parameters).c_str(), millions(a.active).c_str());
  if (!model.types.empty()) {
    std::printf("%-10s %14s %14s %14s\n", "stored as", "tensors", "parameters", "bytes");
    for (const auto& [type, stored] : model.types)
      std::printf("%-10s %14lld %14s %14s\n", type.c_str(), static_cast<long long>(stored.tensors),
                  millions(stored.parameters).c_str(), mib(stored.bytes).c_str());
    std::printf("\n");
  }
  std::printf("weights %s, KV cache %lld bytes a token (%s)\n\n", mib(a.weight_bytes).c_str(),
              static_cast<long long>(a.kv_bytes_per_token), name(model.kv_dtype));
  std::printf("%s\n%-6s %14s %22s\n", model.mesh.describe().c_str(), "rank", "weights", "KV bytes a token");
  for (int r = 0; r < model.mesh.world; ++r)
    std::printf("%-6d %14s %22lld\n", r, mib(a.rank_weight_bytes[r]).c_str(),
                static_cast<long long>(a.rank_kv_bytes_per_token[r]));
  std::printf("\n");
  if (!model.tensors.empty()) print_tensors(model.tensors);
}

void print_table(const std::vector<Inspection>& models, int64_t memory) {
  const auto wider = [](size_t width, const Inspection& model) { return std::max(width, model.path.size()); };
  const int path = static_cast<int>(std::accumulate(models.begin(), models.end(), size_t{5}, wider));
  const std::string fits = memory ? cat("  fits in ", mib(memory), " a rank") : "";
  std::printf("%-*s %12s %12s %14s %13s %9s %14s %16s%s  %s\n", path, "model", "parameters", "active", "weights",
              "max-model-len", "max-seqs", "KV cache", "a rank at most", fits.c_str(), "tensors");
  for (const Inspection& model : models)
    for (const Inspection::Need& need : model.needs)
      std::printf("%-*s %12s %12s %14s %13lld %9lld %14s %16s%s%-*s  %s\n", path, model.path.c_str(),
                  millions(model.anatomy.parameters).c_str(), millions(model.anatomy.active).c_str(),
                  mib(model.anatomy.weight_bytes).c_str(), static_cast<long long>(need.max_model_len),
                  static_cast<long long>(need.max_seqs), mib(need.kv_bytes).c_str(), mib(need.rank_bytes).c_str(),
                  memory ? "  " : "", memory ? static_cast<int>(fits.size()) - 2 : 0, memory ? fit(need).c_str() : "",
                  stored_as(model).c_str());
}

void print_json(const Inspection& model, int64_t memory) {
  using Json = nlohmann::ordered_json;
  const ModelInfo& c = model.config;
  const Anatomy& a = model.anatomy;
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(); };
  Json out = {{"path", model.path},
              {"model_type", c.model_type},
              {"n_layers", c.n_layers},
              {"hidden_size", c.hidden_size},
              {"max_position_embeddings", c.max_position_embeddings},
              {"parameters", a.parameters},
              {"active_parameters", a.active},
              {"weight_bytes", a.weight_bytes},
              {"kv_dtype", name(model.kv_dtype)},
              {"kv_bytes_per_token", a.kv_bytes_per_token},
              {"memory_bytes", memory ? Json(memory) : Json()},
              {"mesh", model.mesh.describe()},
              {"types", Json::array()}};
  for (const auto& part : a.components)
    out["components"].push_back(
        {{"name", part.name}, {"kind", part.kind}, {"parameters", part.parameters}, {"active", part.active}});
  for (const auto& [type, stored] : model.types)
    out["types"].push_back(
        {{"dtype", type}, {"tensors", stored.tensors}, {"parameters", stored.parameters}, {"bytes", stored.bytes}});
  for (int r = 0; r < model.mesh.world; ++r)
    out["ranks"].push_back(
        {{"rank", r}, {"weight_bytes", a.rank_weight_bytes[r]}, {"kv_bytes_per_token", a.rank_kv_bytes_per_token[r]}});
  for (const Inspection::Need& need : model.needs)
    out["needs"].push_back({{"max_model_len", need.max_model_len},
                            {"max_seqs", need.max_seqs},
                            {"kv_bytes", need.kv_bytes},
                            {"rank_bytes", need.rank_bytes},
                            {"fits", or_null(need.fits)},
                            {"fewest_ranks", or_null(need.ranks)}});
  for (const StoredTensor& t : model.tensors)
    out["weights"].push_back({{"name", t.name},
                              {"tensors", t.tensors},
                              {"shape", t.shape},
                              {"dtype", name(t.dtype)},
                              {"component", t.component},
                              {"share", t.share},
                              {"bytes", t.bytes},
                              {"rank_bytes", t.rank_bytes}});
  std::printf("%s\n", out.dump().c_str());
}

}  // namespace weft
