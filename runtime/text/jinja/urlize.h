#pragma once
// The filter urlize: addresses in a text become links.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::jinja {

struct UrlizeOptions {
  std::optional<int64_t> trim_limit = {};  // characters of an address that are shown
  std::string rel = {}, target = {};       // attributes of the links; empty: left out
  std::vector<std::string> extra_schemes = {};
};

// html: escaped already.
std::string urlize(std::string_view html, const UrlizeOptions& options);

bool is_url_scheme(std::string_view text);  // "ftp:", "magnet://" ...

}  // namespace weft::jinja
