#include "runtime/layers/forms.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/check.h"

namespace weft {
namespace {

constexpr int64_t kMany = int64_t{1} << 31;

double positive(const ConfigReader& json, const std::string& key) {
  const double value = json.number(key);
  if (!(value > 0) || !std::isfinite(value))
    bad_input("config.json: rope ", key, " is ", value, ", allowed are positive numbers");
  return value;
}

RopeForm::Type rope_type(const ConfigReader& rope) {
  using Type = RopeForm::Type;
  const std::string name = rope.one_of("rope_type", {"default", "linear", "llama3", "yarn"});
  return name == "default" ? Type::plain : name == "linear" ? Type::linear : name == "llama3" ? Type::llama3 : Type::yarn;
}

void read_llama3(const ConfigReader& rope, RopeForm& r) {
  r.low_freq_factor = positive(rope, "low_freq_factor");
  r.high_freq_factor = positive(rope, "high_freq_factor");
  if (r.high_freq_factor <= r.low_freq_factor)
    bad_input("config.json: rope high_freq_factor ", r.high_freq_factor, " must exceed low_freq_factor ", r.low_freq_factor);
}

// A zero reads as absent, as it does in transformers.
void read_yarn(const ConfigReader& rope, RopeForm& r) {
  if (const double beta = rope.number("beta_fast", 0); beta != 0) r.beta_fast = beta;
  if (const double beta = rope.number("beta_slow", 0); beta != 0) r.beta_slow = beta;
  if (rope.has("attention_factor")) r.attention_factor = rope.number("attention_factor");
  if (rope.has("mscale")) r.mscale = rope.number("mscale");
  if (rope.has("mscale_all_dim")) r.mscale_all_dim = rope.number("mscale_all_dim");
  r.truncate = rope.flag("truncate", true);
}

}  // namespace

RopeForm read_rope(const ConfigReader& c) {
  using Type = RopeForm::Type;
  const ConfigReader rope = c.object("rope_parameters");
  RopeForm r;
  r.type = rope_type(rope);
  r.rope_theta = rope.number("rope_theta");
  if (!(r.rope_theta > 1)) bad_input("config.json: rope_theta is ", r.rope_theta, ", allowed are numbers above 1");
  if (rope.number("partial_rotary_factor", 1) != 1)
    bad_input("config.json: partial_rotary_factor other than 1 is not supported for model_type ", c.text("model_type"));
  if (r.type != Type::plain) r.factor = positive(rope, "factor");
  if (r.type == Type::llama3 || r.type == Type::yarn)
    r.original_max_position_embeddings = rope.integer("original_max_position_embeddings", 1, kMany);
  else
    rope.has("original_max_position_embeddings");  // plain and linear RoPE do without
  if (r.type == Type::llama3) read_llama3(rope, r);
  if (r.type == Type::yarn) read_yarn(rope, r);
  if (rope.has("divisors")) r.divisors = rope.numbers("divisors");
  if (rope.flag("interleaved", false)) r.pairing = RopePairs::interleaved;
  return r;
}

AttentionForm read_attention(const ConfigReader& c) {
  AttentionForm f;
  f.hidden = c.integer("hidden_size", 1, 1 << 24);
  f.heads = c.integer("num_attention_heads", 1, 65536);
  f.kv_heads = c.integer("num_key_value_heads", 1, f.heads);
  if (f.heads % f.kv_heads != 0)
    bad_input("config.json: num_attention_heads ", f.heads, " is not a multiple of num_key_value_heads ", f.kv_heads);
  f.head_dim = c.integer("head_dim", 2, 1024);
  if (f.head_dim % 2) bad_input("config.json: head_dim ", f.head_dim, " is odd; RoPE needs pairs");
  f.norm_eps = read_norm(c).eps;
  f.rope = read_rope(c);
  if (f.rope.divisors.size() > 0 && std::ssize(f.rope.divisors) != f.head_dim / 2)
    bad_input("there are ", f.rope.divisors.size(), " divisors of the RoPE frequencies for a head_dim of ", f.head_dim);
  const bool both = c.flag("attention_bias", false);
  f.qkv_bias = c.flag("qkv_bias", both);
  f.out_bias = c.flag("o_bias", both);
  return f;
}

MlpForm read_mlp(const ConfigReader& c) {
  c.one_of("hidden_act", {"silu"});
  return {c.integer("hidden_size", 1, 1 << 24), c.integer("intermediate_size", 1, 1 << 24),
          c.flag("mlp_bias", false)};
}

NormForm read_norm(const ConfigReader& c) {
  const double eps = c.number("rms_norm_eps");
  if (!(eps >= 0 && eps < 1)) bad_input("config.json: rms_norm_eps is ", eps, ", allowed are 0 to 1");
  return {c.integer("hidden_size", 1, 1 << 24), static_cast<float>(eps)};
}

MoeForm read_moe(const ConfigReader& c, const char* n_key, const char* width_key) {
  c.one_of("hidden_act", {"silu"});
  MoeForm f;
  f.hidden = c.integer("hidden_size", 1, 1 << 24);
  f.n = c.integer(n_key, 1, 65536);
  f.k = c.integer("num_experts_per_tok", 1, f.n);
  f.width = c.integer(width_key, 1, 1 << 24);
  return f;
}

int64_t trained_length(int64_t positions, const RopeForm& rope) {
  const bool yarn = rope.type == RopeForm::Type::yarn;
  if (!yarn && rope.type != RopeForm::Type::linear) return positions;
  const int64_t before = yarn ? rope.original_max_position_embeddings : positions;
  const double stretched = std::min(static_cast<double>(before) * rope.factor, 1e15);
  return std::max(positions, static_cast<int64_t>(std::llround(stretched)));
}

int read_window(const ConfigReader& c) {
  return c.has("sliding_window") ? static_cast<int>(c.integer("sliding_window", 0, kMany - 1)) : 0;
}

std::vector<int> read_switched_windows(const ConfigReader& c) {
  const int64_t layers = c.integer("num_hidden_layers", 1, 4096), first_layer = c.integer("max_window_layers", 0, 1 << 20);
  const int window = read_window(c);
  const bool named = c.has("layer_types");
  const std::vector<std::string> layer_types = named ? c.texts("layer_types") : std::vector<std::string>();
  if (named && std::ssize(layer_types) != layers)
    bad_input("config.json: layer_types has ", layer_types.size(), " entries for ", layers, " layers");
  const bool enabled = c.flag("use_sliding_window");
  std::vector<int> windows;
  for (int64_t i = 0; i < layers; ++i) {
    bool sliding = i >= first_layer;
    if (named) {
      const std::string& type = layer_types[static_cast<size_t>(i)];
      if (type != "full_attention" && type != "sliding_attention")
        bad_input("config.json: layer_types \"", type, "\" is not supported; known are full_attention, sliding_attention");
      sliding = type == "sliding_attention";
    }
    windows.push_back(enabled && sliding ? window : 0);
  }
  return windows;
}

TableForm rope_table_of(const RopeForm& rope, int64_t head_dim) {
  using Type = RopeForm::Type;
  constexpr double kTwoPi = 6.283185307179586;
  const int64_t pairs = head_dim / 2;
  TableForm out;
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
  for (size_t i = 0; i < rope.divisors.size(); ++i) out.inv_freq[i] /= static_cast<float>(rope.divisors[i]);
  return out;
}

}  // namespace weft
