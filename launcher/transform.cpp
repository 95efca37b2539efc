#include "launcher/transform.h"

#include "kernels/core/check.h"
#include "kernels/core/log.h"
#include "runtime/weights/convert.h"

namespace weft {
namespace {

int tell(const std::vector<std::string>& notices, const std::string& output) {
  for (const std::string& notice : notices) log_warn(notice);
  log_info("wrote ", output);
  return 0;
}

}  // namespace

int run_convert(const std::string& model, const std::string& type, const std::string& output) {
  const auto dtype = parse_dtype(type);
  if (!dtype || *dtype == DType::i32)
    bad_input("--type ", type, " is not known; allowed are f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K, q6_K");
  return tell(convert(model, *dtype, output), output);
}

int run_upcycle(const std::string& model, const UpcycleOptions& options, const std::string& output) {
  return tell(upcycle(model, options, output), output);
}

}  // namespace weft
