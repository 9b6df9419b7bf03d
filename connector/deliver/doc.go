// Package deliver sends finished calls to their destinations.
//
// Each destination has a [Lane] of its own: it claims deliveries that are due, renders the request, sends it, and settles
// the delivery with what the answer means. A lane knows nothing of other lanes, so a slow or dead destination delays no
// other. The order is always: decide, persist, then act. Where a request must not be sent twice, that it is about to be
// sent is durable before it is; where an answer came, what it means is durable before the next request.
package deliver
