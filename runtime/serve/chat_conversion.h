#pragma once
// Between chats and their messages of proto/weft/v1.
#include "runtime/text/chat.h"
#include "weft/v1/weft.pb.h"

namespace weft {

// Checked; InputError names the field: "messages[2].more_json is not valid JSON: ...".
Chat from_proto(const v1::Chat& p);
// For check()ed chats. What is neither role nor content travels in more_json: nothing is lost.
v1::Chat to_proto(const Chat& chat);

}  // namespace weft
