#include "launcher/transform.h"

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "runtime/models/model.h"
#include "runtime/weights/convert.h"

namespace weft {
namespace {

int tell(const std::vector<std::string>& notices, const std::string& output) {
  for (const std::string& notice : notices) log_warn(notice);
  log_info("wrote ", output);
  return 0;
}

// What cannot be run is not converted: the same sentences.
void check_model(const std::string& model) {
  const auto checkpoint = Checkpoint::open(model);
  const ModelFiles files = ModelFiles::read(*checkpoint);
  Census census({}, files.tensors.get());
  make_model(census, files);
  census.check(files.model_type);
}

}  // namespace

int run_convert(const std::string& model, const std::string& type, const std::string& output, Values values) {
  const auto dtype = parse_dtype(type);
  if (!dtype || *dtype == DType::i32)
    bad_input("--type ", type, " is not known; allowed are f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K, q6_K");
  check_model(model);
  return tell(convert(model, *dtype, output, values), output);
}

int run_upcycle(const std::string& model, UpcycleOptions options, const std::string& type, const std::string& output) {
  if (!type.empty()) {
    options.type = parse_dtype(type);
    if (options.type != DType::f32 && options.type != DType::f16 && options.type != DType::bf16)
      bad_input("--type ", type,
                " is not possible: a Hugging Face directory holds f32, f16 or bf16; weft convert makes a quantised "
                "GGUF of it");
  }
  check_model(model);
  return tell(upcycle(model, options, output), output);
}

}  // namespace weft
