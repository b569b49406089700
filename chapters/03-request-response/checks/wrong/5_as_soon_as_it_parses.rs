//! Collects until what it has can be parsed, and sends it then: the document may go on.
//! fails: pieces_that_are_documents_are_no_document

// TODO 3.5
// as in the solution
// END TODO

// TODO 3.5
// as in the solution
// END TODO

// TODO 3.5
// as in the solution
// END TODO

// TODO 3.5
ctx.held.extend_from_slice(&body.take().unwrap_or_default());
if let Some(new) = rewritten(&ctx.held) {
    ctx.held.clear();
    *body = Some(new.into());
} else if ctx.held.len() > self.limit || end_of_stream {
    ctx.rewrite = false;
    *body = Some(std::mem::take(&mut ctx.held).into());
}
// END TODO
