// An embedding is made of what the last layer gives; the logits of each of its tokens, which llama.cpp computes beside it and
// keeps twice, are a product with the whole vocabulary that nobody asked for. This takes them out of a graph again.

#pragma once

#include "../ggml/src/ggml-impl.h"
#include "llama-graph.h"

// To be called when the graph ends with the logits, before anything else is put behind them.
inline void llama_native_drop_logits(llm_graph_result * result, const llama_cparams & params) {
    if (!params.embeddings || params.pooling_type == LLAMA_POOLING_TYPE_NONE || !result->t_embd || !result->t_logits || result->t_h_nextn) return;
    ggml_cgraph * graph = result->get_gf();
    if (graph->n_nodes == 0 || graph->nodes[graph->n_nodes - 1] != result->t_logits) return;
    int last = graph->n_nodes - 1;
    while (last >= 0 && graph->nodes[last] != result->t_embd) last--;
    if (last < 0) return;
    graph->n_nodes = last + 1;
    result->t_logits = nullptr;
}
