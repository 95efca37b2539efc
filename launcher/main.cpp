// The weft command: flags in, one function a command. `weft COMMAND --help` is the reference.
#include <CLI/CLI.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <string>

#include "kernels/core/log.h"
#include "launcher/bench_ops.h"
#include "launcher/command_line.h"
#include "launcher/commands.h"
#include "launcher/flags.h"
#include "launcher/help.h"
#include "launcher/inspect.h"
#include "launcher/job.h"
#include "launcher/standard_streams.h"
#include "launcher/tokenize.h"
#include "launcher/transform.h"
#include "launcher/version.h"
#include "parallel/communicator.h"
#ifdef WEFT_HAVE_SERVE
#include "launcher/serve_commands.h"
#endif

namespace weft {
namespace {

constexpr int kFailed = 1, kBadInput = 2;

// Parsed flags of all commands; `run` is set by the chosen one.
struct Program {
  CLI::App app{"Weft: distributed inference of large language models. Any command that runs a model also runs under\n"
               "mpirun, which shards the model over the ranks: mpirun -n 2 weft generate ...",
               "weft"};
  std::string log_level = "info";
  LogForm log_form = LogForm::command;
  std::string config;  // read by CommandLine before parsing
  bool print_config = false;
  GenerateOptions generate;
  ScoreOptions score;
  BenchModelOptions bench_model;
  BenchOpsOptions bench_ops;
  CommBenchPlan bench_comm;
  ReportFormat report = ReportFormat::text;
  std::string words;  // of the command line, for reports
  InspectOptions inspect;
  std::string tokenize_model, tokenize_input;
  std::string from_model, type, output;
  bool allow_nonfinite = false;
  UpcycleOptions upcycle;
#ifdef WEFT_HAVE_SERVE
  ServeOptions serve;
  WorkerOptions worker;
  ClientOptions client;
  StatsOptions stats;
#endif
  std::function<int()> run;

  Program();

 private:
  CLI::App* command(const char* name, const char* what, std::function<int()> run, CLI::App* parent = nullptr);
  void model_flag(CLI::App& command, std::string& model);
  void model_flags(CLI::App& command, CommonOptions& common, const char* pp_flag = "--pp");
  Values values() const { return allow_nonfinite ? Values::any : Values::finite; }
  void add_generate();
  void add_bench();
  void add_files();
  void add_serving();
};

CLI::App* Program::command(const char* name, const char* what, std::function<int()> function, CLI::App* parent) {
  CLI::App* sub = (parent ? parent : &app)->add_subcommand(name, what);
  sub->parse_complete_callback([this, function] { run = function; });
  add_log_level(*sub, log_level);
  sub->add_option("--config", config, "JSON file of flag names without dashes and their values; flags given here win")->type_name("FILE");
  sub->add_flag("--print-config", print_config, "print every flag's value and where it comes from, and do nothing else");
  return sub;
}

void Program::model_flag(CLI::App& command, std::string& model) {
  command.add_option("--model", model, "Hugging Face directory or GGUF file")->type_name("PATH")->required();
}

void Program::model_flags(CLI::App& command, CommonOptions& common, const char* pp_flag) {
  model_flag(command, common.model);
  add_engine_flags(command, common.engine, pp_flag);
}

template <class T>
void add_list(CLI::App& command, const char* flag, std::vector<T>& values, const CLI::Validator& allowed, const char* what,
              const std::string& fallback) {
  command.add_option(flag, values, what)->delimiter(',')->allow_extra_args(false)->check(allowed)->default_str(fallback);
}

CLI::Option* add_chat_file(CLI::App& group, std::optional<std::string>& file) {
  return group.add_option("--chat-file", file, "JSON of a chat: a list of messages, or {\"messages\": [...], \"tools\": [...], ...}")
      ->type_name("FILE");
}

void Program::add_generate() {
  CLI::App* sub = command("generate", "Continue one prompt, streaming the text", [this] { return run_generate(generate); });
  model_flags(*sub, generate.common);
  auto* prompt = sub->add_option_group("prompt", "The prompt: one of")->require_option(1);
  prompt->add_option("--prompt", generate.prompt, "text");
  prompt->add_option("--prompt-file", generate.prompt_file, "file of text")->type_name("FILE");
  CLI::Option* chat_file = add_chat_file(*prompt, generate.chat_file);
  prompt->add_option("--token-ids", generate.token_ids, "1,2,3: needs no tokenizer")->type_name("IDS");
  sub->add_flag("--chat", generate.chat, "put the prompt into the model's chat template as a user message")->excludes(chat_file);
  sub->add_option("--max-tokens", generate.max_tokens, "tokens to generate at most")->check(range(1, 1 << 20))->capture_default_str();
  sub->add_flag("--ignore-eos", generate.ignore_eos, "go on after the end-of-sequence token");
  sub->add_flag("--json", generate.json, "print one JSON object instead of the text");
  add_sampling_flags(*sub, generate.sampling, generate.seed, generate.stop);

  sub = command("score", "Raw logits of given token ids, for checking against other implementations",
                [this] { return run_score(score); });
  model_flags(*sub, score.common);
  sub->add_option("--input", score.input,
                  "JSON: {\"cases\": [{\"input_ids\": [...]}, ...], \"greedy_tokens\": N, \"greedy_logits\": true or false}")
      ->type_name("FILE")
      ->required();
  sub->add_option("--output", score.output, "safetensors file to write")->type_name("FILE")->required();
}

void Program::add_bench() {
  CLI::App* bench = app.add_subcommand("bench", "Measure")->require_subcommand(1);
  const auto measure = [&](const char* name, const char* what, auto run) {
    CLI::App* sub = command(name, what, [this, run] { return run(Report(report, words)); }, bench);
    add_report_flags(*sub, report);
    return sub;
  };
  CLI::App* sub = measure("model", "Prefill and decode speed of a model; of lists, as 1,8,32, every combination",
                          [this](const Report& r) { return run_bench_model(bench_model, r); });
  model_flags(*sub, bench_model.common, "--stages");
  const auto list = [&](auto&&... flag) { add_list(*sub, flag...); };
  const CLI::Validator tokens = range(0, 1 << 24);
  list("--pp", bench_model.pp, tokens, "prompt tokens of the prefill measurement; 0 leaves it out", "512");
  list("--tg", bench_model.tg, tokens, "tokens of the decode measurement; 0 leaves it out", "128");
  list("--depth", bench_model.depth, tokens, "positions in the cache before decode is measured", "0");
  list("--batch", bench_model.batch, range(1, 65536), "sequences decoded together", "1");
  sub->add_option("--repetitions", bench_model.repetitions, "of which the median is taken")->check(range(1, 1000))->capture_default_str();

  sub = measure("ops", "Speed of every CPU op against the machine's measured limits",
                [this](const Report& r) { return run_bench_ops(bench_ops, r); });
  sub->add_option("--filter", bench_ops.filter, "only cases whose name contains this");
  sub->add_option("--threads", bench_ops.threads, "threads")->check(range(1, 4096))->default_str("all CPUs");

  sub = measure("comm", "Latency and bus bandwidth of the collectives; run it under mpirun",
                [this](const Report& r) { return run_bench_comm(bench_comm, r); });
  list("--sizes", bench_comm.sizes, range(4, 1 << 30), "bytes of a collective", "1024 … 4194304");
  sub->add_option("--iterations", bench_comm.iterations, "calls of a batch; nine batches are timed")
      ->check(range(1, 1 << 20))->default_str("as many as move 8 MiB");
}

void add_allow_nonfinite(CLI::App& command, bool& allow) {
  command.add_flag("--allow-nonfinite", allow, "store NaN, infinity and values beyond the type's range as they come out");
}

void Program::add_files() {
  CLI::App* sub = command("tokenize", "Token ids of texts and chats, and their decoded form", [this] { return run_tokenize(tokenize_model, tokenize_input); });
  model_flag(*sub, tokenize_model);
  sub->add_option("--input", tokenize_input, "JSON: {\"texts\": [...]} or {\"chats\": [...]}, each as a --chat-file holds it")->type_name("FILE")->required();

  sub = command("inspect", "A model's anatomy and memory needs, from its config alone", [this] { return run_inspect(inspect); });
  sub->add_option("path", inspect.paths, "Hugging Face directories, config.json or GGUF files")
      ->type_name("PATH")
      ->required();
  add_mesh_flags(*sub, inspect.mesh);
  sub->add_option("--kv-dtype", inspect.kv_dtype, "type of the KV cache: f32, f16 or bf16 (auto: f16)")->capture_default_str();
  add_list(*sub, "--max-model-len", inspect.max_model_len, range(1, 1 << 30),
           "longest prompt and answer together, in tokens; of lists, as 4096,8192, every combination",
           "the model's, at most 8192");
  add_list(*sub, "--max-seqs", inspect.max_seqs, range(1, 65536), "sequences in a batch at most",
           cat(EngineConfig().max_seqs));
  sub->add_option("--memory", inspect.memory,
                  "memory of a rank, in bytes or with K, M or G (of 1024): what fits, and on how many ranks")
      ->transform(CLI::AsSizeValue(false))
      ->check(range(1, 1e15));
  sub->add_flag("--weights", inspect.weights, "list every tensor: its name, shape, type and share of the ranks");
  sub->add_flag("--json", inspect.json, "print one JSON object a model");

  sub = command("convert", "Write a model as GGUF, quantised if asked",
                [this] { return run_convert(from_model, type, output, values()); });
  model_flag(*sub, from_model);
  sub->add_option("--type", type, "f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_K, q5_K or q6_K")->required();
  add_allow_nonfinite(*sub, allow_nonfinite);
  sub->add_option("--output", output, "GGUF file to write")->type_name("FILE")->required();

  sub = command("upcycle", "Turn a dense model into a Mixtral-form MoE whose experts are copies of its MLP", [this] {
    upcycle.values = values();
    return run_upcycle(from_model, upcycle, type, output);
  });
  model_flag(*sub, from_model);
  sub->add_option("--experts", upcycle.experts, "experts a layer")->required()->check(range(1, 65536));
  sub->add_option("--top-k", upcycle.top_k, "experts a token")->required()->check(range(1, 65536));
  sub->add_option("--seed", upcycle.seed, "of the random router")->capture_default_str();
  sub->add_option("--type", type, "of the weights written: f32, f16 or bf16")
      ->default_str("the model's own; f32 if it is quantised");
  add_allow_nonfinite(*sub, allow_nonfinite);
  sub->add_option("--output", output, "Hugging Face directory to write")->type_name("DIR")->required();
}

Program::Program() {
  app.formatter(help_formatter());  // before the commands, which inherit it
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text());
  app.set_help_all_flag("--help-all", "Help of all commands");
  add_generate();
  add_serving();
  add_files();
  add_bench();
}

#ifdef WEFT_HAVE_SERVE
void Program::add_serving() {
  CLI::App* sub = command("serve", "Answer gRPC clients; starts its ranks with mpirun itself", [this] { return run_serve(serve); });
  sub->final_callback([this] { log_form = LogForm::server; });
  model_flags(*sub, serve.common);
  sub->add_option("--listen", serve.listen, "HOST:PORT; port 0 takes a free one")->type_name("ADDRESS")->capture_default_str();
  sub->add_option("--ranks", serve.ranks, "ranks to start; 1 runs without MPI")->check(range(1, 65536))->capture_default_str();
  sub->add_option("--hostfile", serve.hostfile, "mpirun's hostfile: the machines that run the ranks")->type_name("FILE")->default_str("all ranks on this machine");
  sub->add_option(
         "--worker-networks", serve.worker_networks,
         "addresses or networks, as 10.0.0.7,10.1.0.0/16, from which ranks may connect beside those of --hostfile's hosts")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("none");
  sub->add_option("--mpirun-args", serve.mpirun_args, "more arguments of mpirun, separated by spaces");
  sub->add_option("--max-requests", serve.max_requests, "unfinished requests at a time; more are answered RESOURCE_EXHAUSTED")
      ->check(range(1, 1 << 20))->capture_default_str();
  sub->add_option("--max-connections", serve.max_connections,
                  "connections at a time, as far as ulimit -n allows; more are turned away")
      ->check(range(1, 1 << 20))
      ->capture_default_str();
  sub->add_option("--drain-timeout", serve.drain_timeout_s, "seconds that SIGTERM waits for running requests")
      ->check(range(0.0, 86400.0))->capture_default_str();

  const auto step_timeout = [](CLI::App& app, double& seconds) {
    app.add_option("--step-timeout", seconds, "seconds without progress of a step, or without a sign of life of a rank, until the ranks are started again")
        ->check(range(1, 86400))->capture_default_str();
  };
  step_timeout(*sub, serve.step_timeout_s);
  sub->add_option("--restart-timeout", serve.restart_timeout_s, "seconds that ranks which fail in a row, without a token in between, are started again")
      ->check(range(0, 1e7))->capture_default_str();

  sub = command("worker", "One rank of a serving job; started by serve", [this] { return run_worker(worker); });
  sub->final_callback([this] { log_form = LogForm::server; });
  model_flags(*sub, worker.common);
  step_timeout(*sub, worker.step_timeout_s);

  sub = command("client", "Ask a server, streaming the answer", [this] { return run_client(client); });
  sub->add_option("--target", client.target, "HOST:PORT of the server")->type_name("ADDRESS")->capture_default_str();
  auto* prompt = sub->add_option_group("prompt", "What to ask: one of")->require_option(1);
  prompt->add_option("--prompt", client.prompt, "text");
  CLI::Option* chat_file = add_chat_file(*prompt, client.chat_file);
  prompt->add_option("--batch", client.batch, "file of JSON lines: {\"prompt\": text, or \"token_ids\": [...], or \"messages\": [...]; \"max_tokens\": ...}")->type_name("FILE");
  sub->add_flag("--chat", client.chat, "prompts are user messages, put into the model's chat template")->excludes(chat_file);
  sub->add_option("--max-tokens", client.max_tokens, "tokens to generate at most")->check(range(1, 1 << 20))->capture_default_str();
  sub->add_flag("--ignore-eos", client.ignore_eos, "go on after the end-of-sequence token");
  sub->add_option("--cache-salt", client.cache_salt, "share cached prompts only with requests that have the same salt");
  sub->add_flag("--json", client.json, "print JSON instead of the text");
  sub->add_option("--wait", client.wait_s, "seconds to wait for the server to be ready")->check(range(0.0, 86400.0))->capture_default_str();
  sub->add_option("--timeout", client.timeout_s, "deadline of the call in seconds; 0: none")->check(range(0.0, 1e9))->capture_default_str();
  add_sampling_flags(*sub, client.sampling, client.seed, client.stop);

  sub = command("stats", "What a server says of itself: state, requests, tokens, its engine", [this] { return run_stats(stats); });
  sub->add_option("--target", stats.target, "HOST:PORT of the server")->type_name("ADDRESS")->capture_default_str();
  sub->add_flag("--json", stats.json, "one JSON object, with the fields of GetStatsResponse");
  sub->add_option("--watch", stats.watch_s, "ask again every so many seconds, until interrupted; 0: once")->check(range(0, 86400))->capture_default_str();
}
#else
void Program::add_serving() {}  // built without gRPC: the commands do not exist
#endif

void start_log(Program& program) {
  weft::start_log(speaks_for_job() ? program.log_level : "error", program.log_form, launched_rank());
#ifdef WEFT_HAVE_SERVE
  program.serve.log_level = program.log_level;
#endif
}

int fail(int code, const std::string& sentence) {
  if (speaks_for_job())
    log_failure(sentence);
  else
    let_rank_0_speak_first();
  return code;
}

int run_command(Program& program, int argc, char** argv) {
  const CommandLine line(program.app, argc, argv);
  try {
    program.app.parse(line.reversed());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return speaks_for_job() ? program.app.exit(error) : 0;  // --help, --version
    bad_input(error.what(), " (see --help)");
  }
  if (program.print_config) {
    if (speaks_for_job()) std::fputs(line.origins().c_str(), stdout);
    return 0;
  }
  program.words = line.given();
  start_log(program);
  return program.run();
}

int main(int argc, char** argv) {
  try {
    prepare_standard_streams();
    Program program;
    const int code = run_command(program, argc, argv);
    if (code == 0) finish_stdout();
    return code;
  } catch (const InputError& error) {
    return fail(kBadInput, error.what());
  } catch (const std::exception& error) {
    return fail(kFailed, error.what());
  }
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  const int code = weft::main(argc, argv);
  weft::finish_log();
  return code;
}
