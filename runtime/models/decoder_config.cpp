#include <algorithm>
#include <cmath>

#include "kernels/core/check.h"
#include "runtime/models/architecture.h"

namespace weft {
namespace {

constexpr int64_t kMany = int64_t{1} << 31;

double positive(const ConfigReader& json, const std::string& key) {
  const double value = json.number(key);
  if (!(value > 0) || !std::isfinite(value))
    bad_input("config.json: rope ", key, " is ", value, ", allowed are positive numbers");
  return value;
}

RopeConfig::Type rope_type(const ConfigReader& rope) {
  using Type = RopeConfig::Type;
  const std::string name = rope.one_of("rope_type", {"default", "linear", "llama3", "yarn"});
  return name == "default" ? Type::plain : name == "linear" ? Type::linear : name == "llama3" ? Type::llama3 : Type::yarn;
}

void read_rope(const ConfigReader& rope, ModelConfig& config) {
  using Type = RopeConfig::Type;
  RopeConfig& r = config.rope;
  r.type = rope_type(rope);
  r.rope_theta = rope.number("rope_theta");
  if (!(r.rope_theta > 1)) bad_input("config.json: rope_theta is ", r.rope_theta, ", allowed are numbers above 1");
  if (rope.number("partial_rotary_factor", 1) != 1)
    bad_input("config.json: partial_rotary_factor other than 1 is not supported for model_type ", config.model_type);
  if (r.type != Type::plain) r.factor = positive(rope, "factor");
  if (r.type == Type::llama3 || r.type == Type::yarn)
    r.original_max_position_embeddings = rope.integer("original_max_position_embeddings", 1, kMany);
  else
    rope.has("original_max_position_embeddings");  // read, and no more: plain and linear RoPE do without
  if (r.type == Type::llama3) {
    r.low_freq_factor = positive(rope, "low_freq_factor");
    r.high_freq_factor = positive(rope, "high_freq_factor");
    if (r.high_freq_factor <= r.low_freq_factor)
      bad_input("config.json: rope high_freq_factor ", r.high_freq_factor, " must exceed low_freq_factor ",
                r.low_freq_factor);
  }
  if (r.type == Type::yarn) {  // a zero reads as absent, as it does in transformers
    if (const double beta = rope.number("beta_fast", 0); beta != 0) r.beta_fast = beta;
    if (const double beta = rope.number("beta_slow", 0); beta != 0) r.beta_slow = beta;
    if (rope.has("attention_factor")) r.attention_factor = rope.number("attention_factor");
    if (rope.has("mscale")) r.mscale = rope.number("mscale");
    if (rope.has("mscale_all_dim")) r.mscale_all_dim = rope.number("mscale_all_dim");
    r.truncate = rope.flag("truncate", true);
  }
}

}  // namespace

void read_decoder(const ConfigReader& json, ModelConfig& c) {
  c.vocab_size = json.integer("vocab_size", 1, kMany);
  c.hidden_size = json.integer("hidden_size", 1, 1 << 24);
  c.intermediate_size = json.integer("intermediate_size", 1, 1 << 24);
  c.n_layers = static_cast<int>(json.integer("num_hidden_layers", 1, 4096));
  c.n_heads = static_cast<int>(json.integer("num_attention_heads", 1, 65536));
  c.n_kv_heads = static_cast<int>(json.integer("num_key_value_heads", 1, c.n_heads));
  if (c.n_heads % c.n_kv_heads != 0)
    bad_input("config.json: num_attention_heads ", c.n_heads, " is not a multiple of num_key_value_heads ", c.n_kv_heads);
  c.head_dim = json.integer("head_dim", 2, 1024);
  if (c.head_dim % 2) bad_input("config.json: head_dim ", c.head_dim, " is odd; RoPE needs pairs");
  json.one_of("hidden_act", {"silu"});
  const double eps = json.number("rms_norm_eps");
  if (!(eps >= 0 && eps < 1)) bad_input("config.json: rms_norm_eps is ", eps, ", allowed are 0 to 1");
  c.rms_norm_eps = static_cast<float>(eps);
  c.max_position_embeddings = json.integer("max_position_embeddings", 1, kMany);
  c.tie_word_embeddings = json.flag("tie_word_embeddings");
  c.dtype = json.text("dtype", "float32");
  read_rope(json.object("rope_parameters"), c);
}

void read_attention_bias(const ConfigReader& json, ModelConfig& config) {
  config.attention_bias = config.output_bias = json.flag("attention_bias");
}

void read_window(const ConfigReader& json, ModelConfig& config) {
  const bool windowed = json.has("sliding_window");
  config.window.assign(config.n_layers, windowed ? static_cast<int>(json.integer("sliding_window", 0, kMany - 1)) : 0);
}

void read_switched_window(const ConfigReader& json, ModelConfig& config) {
  read_window(json, config);
  const int64_t first_layer = json.integer("max_window_layers", 0, 1 << 20);
  const bool named = json.has("layer_types");
  const std::vector<std::string> layer_types = named ? json.texts("layer_types") : std::vector<std::string>();
  if (named && static_cast<int>(layer_types.size()) != config.n_layers)
    bad_input("config.json: layer_types has ", layer_types.size(), " entries for ", config.n_layers, " layers");
  const bool enabled = json.flag("use_sliding_window");
  for (int i = 0; i < config.n_layers; ++i) {
    bool sliding = i >= first_layer;
    if (named) {
      const std::string& type = layer_types[i];
      if (type != "full_attention" && type != "sliding_attention")
        bad_input("config.json: layer_types \"", type, "\" is not supported; known are full_attention, sliding_attention");
      sliding = type == "sliding_attention";
    }
    if (!enabled || !sliding) config.window[i] = 0;
  }
}

RopeFrequencies rope_frequencies(const RopeConfig& rope, int64_t head_dim) {
  using Type = RopeConfig::Type;
  constexpr double kTwoPi = 6.283185307179586;
  const int64_t pairs = head_dim / 2;
  RopeFrequencies out;
  for (int64_t i = 0; i < pairs; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    out.inv_freq.push_back(1.0f / static_cast<float>(std::pow(rope.rope_theta, static_cast<double>(exponent))));
  }
  const float factor = static_cast<float>(rope.factor);
  const double old_length = static_cast<double>(rope.original_max_position_embeddings);

  if (rope.type == Type::linear)  // Chen et al. 2023: positions are interpolated
    for (float& f : out.inv_freq) f /= factor;

  if (rope.type == Type::llama3)  // Dubey et al. 2024: only long wavelengths are interpolated, with a smooth border
    for (float& f : out.inv_freq) {
      const float wavelength = static_cast<float>(kTwoPi) / f;
      if (wavelength > old_length / rope.low_freq_factor) {
        f /= factor;
      } else if (wavelength >= old_length / rope.high_freq_factor) {
        const float smooth = static_cast<float>((old_length / wavelength - rope.low_freq_factor) /
                                                (rope.high_freq_factor - rope.low_freq_factor));
        f = (1 - smooth) * f / factor + smooth * f;
      }
    }

  if (rope.type == Type::yarn) {  // Peng et al. 2023: interpolate by number of rotations within the old length
    const auto dim_of = [&](double rotations) {
      return head_dim * std::log(old_length / (rotations * kTwoPi)) / (2 * std::log(rope.rope_theta));
    };
    double low = dim_of(rope.beta_fast), high = dim_of(rope.beta_slow);
    if (rope.truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, static_cast<double>(head_dim - 1));
    if (low == high) high += 0.001;
    for (int64_t i = 0; i < pairs; ++i) {
      const float ramp = std::clamp(static_cast<float>((i - low) / (high - low)), 0.0f, 1.0f);
      out.inv_freq[i] = out.inv_freq[i] / factor * ramp + out.inv_freq[i] * (1 - ramp);
    }
    const auto mscale_of = [&](double m) { return rope.factor <= 1 ? 1.0 : 0.1 * m * std::log(rope.factor) + 1.0; };
    const bool both = rope.mscale.value_or(0) != 0 && rope.mscale_all_dim.value_or(0) != 0;
    out.attention_factor = static_cast<float>(rope.attention_factor.value_or(
        both ? mscale_of(*rope.mscale) / mscale_of(*rope.mscale_all_dim) : mscale_of(1)));
  }
  return out;
}

}  // namespace weft
