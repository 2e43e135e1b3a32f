#pragma once

#include "peft/util/json.h"

namespace peft {

/// The JSON that crosses from the front end to the engine: `peft_run(command, request)`. One object
/// per command; every member is always there, null where the user said nothing. Paths are as the
/// user wrote them, relative to the current directory.
///
/// train
///   "config": {"model", "adapter", "data", "training"}: ResolvedConfig::values, every key present
///   "origin": {"training.seed": "default", ...}: where each value came from
///   "config_file": path, "device": "auto"|"cpu"|"cuda"|"cuda:N", "threads": N (0: the machine's),
///   "overwrite": bool, "dry_run": bool, "allow_changed": [field, ...], "progress": bool,
///   "terminal": bool (stderr is one), "version": "0.1.0"
/// eval
///   "model": dir|null, "adapter": dir|null, "data": [file, ...], "format": text,
///   "max_length": N|null (null: the model's positions, at most the default of data.max_length),
///   "train_on": text, "chat_template": text, "columns": {ours: the file's}, "limit": N|null,
///   "compare": bool, "fail_if": text|null, "json": bool, "generate": N new tokens (0: off),
///   "adapters": [dir, ...], "shots": N, "shots_from": file|null, "ensemble": "mean"|"vote"|null,
///   "match": regular expression|null, "batch_tokens": N|null, "dtype", "device", "threads",
///   "allow_pickle": bool (pytorch_model.bin and adapter_model.bin may be read)
/// generate
///   "model", "adapter", "prompt": text|null, "messages": JSON|null, "input": file|null (exactly
///   one of the three), "max_new_tokens": N, "temperature": number, "top_p": number, "seed": N,
///   "adapters": [dir, ...], "ensemble": "mean"|"vote"|null, "chat_template": text,
///   "json": bool, "stream": bool, "dtype", "device", "threads", "allow_pickle", "add_special":
///   bool
/// merge
///   "adapter": dir, "out": dir, "model": dir|null, "dtype": "auto"|type, "verify":
///   "probe"|"full"|"none", "overwrite": bool, "any_base": bool, "json": bool, "threads",
///   "allow_pickle"
/// logits
///   "model", "adapter", "tokens": file, "out": file, "dtype", "device", "threads", "allow_pickle"
/// adapters convert
///   "adapter": dir, "out": dir, "model": dir|null, "rank": N (0: what the adapter has),
///   "overwrite": bool, "json": bool, "threads", "allow_pickle"
/// adapters merge
///   "adapters": [dir, ...], "weights": [number, ...], "out": dir, "method": name of a combination,
///   "density": number, "majority_sign": "total"|"frequency", "seed": N, "rank": N (0: the
///   largest), "overwrite": bool, "json": bool, "threads", "allow_pickle"
///
/// Every request has "contain_pickles": true, which says that /proc/self/exe is the program and can
/// be the process that reads pickles (io/pickle_child.h).
///
/// At least one of "model" and "adapter" is given; the engine finds the base of an adapter whose
/// "model" is null in its adapter_config.json.
using Request = Json;

}  // namespace peft
