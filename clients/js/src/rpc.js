/** Calls: messages of role `rpc` and their answers. */

import { ProtocolError, RpcError } from './errors.js';

/** A command as it is sent, of one as it is written here: `{ name, fun, args, kwargs, locs, functionId, ... }`. */
function commandOf({ name, fun, args, kwargs, locs, functionId, versionConstraint, targetCluster, routingTopic }) {
  return {
    name,
    fun,
    args,
    kwargs,
    locs,
    function_id: functionId,
    version_constraint: versionConstraint,
    target_cluster: targetCluster,
    routing_topic: routingTopic,
  };
}

/** The message of a command graph. What is undefined is left out of its JSON. */
export function rpcMessage(commands, { intermediateResults, callbackTopic, executionSummary } = {}) {
  return {
    role: 'rpc',
    cmds: commands.map(commandOf),
    return_intermediate_results: intermediateResults,
    intermediate_result_callback_topic: callbackTopic,
    include_execution_summary: executionSummary,
  };
}

/** Throws the error of an answer that is one. */
export function throwError(reply) {
  if (typeof reply.error?.code === 'number') {
    throw new RpcError(reply.error);
  }
}

/** The results of an answer, by name of the command. Throws `RpcError`. */
export function resultsOf(reply) {
  throwError(reply);
  if (typeof reply.r !== 'object' || reply.r === null) {
    throw new ProtocolError(`an answer of role ${reply.role} without results`);
  }
  return reply.r;
}
