#!/bin/sh
# mpirun and orted of the Open MPI that lies in this archive, wherever that was unpacked.
root=$(cd "$(dirname "$0")/.." && pwd)
export OPAL_PREFIX="$root" LD_LIBRARY_PATH="$root/@CPACK_WEFT_LIBDIR@${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
# Its process manager would compress large messages, misses its own parts for that here, and says so at each start.
export PMIX_MCA_pcompress_base_silence_warning=1
# Without ssh there is this machine alone; Open MPI would not start at all.
command -v ssh >/dev/null || export OMPI_MCA_plm=isolated
exec "$root/libexec/weft/$(basename "$0")" "$@"
