#pragma once
// The standard streams of every command. Logs may be lost; an answer that could not be written is a failure.
namespace weft {

// Before anything is opened: a stream that is closed gets a stand-in, so that no file or socket ever takes its number.
// What goes to the stand-in of stderr is lost, what is printed on that of stdout fails. A reader that goes away ends no
// process (SIGPIPE). stdout is written line by line, whatever it is.
void prepare_standard_streams();

// Whether something printed on stdout could not be written: a long answer need not go on.
bool stdout_failed();

// Writes what stdout still holds back. Throws with the reason if anything that was printed could not be written.
void finish_stdout();

}  // namespace weft
