//! Takes the first address of X-Forwarded-For for the client: whoever writes another one starts anew.
//! fails: a_forged_header_buys_nothing, behind_a_trusted_proxy_the_last_untrusted_entry_is_the_client

// TODO 3.6
if let Some(first) = entries.next()
    && let Ok(address) = first.trim().parse::<IpAddr>()
{
    client = address;
}
// END TODO

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
// as in the solution
// END TODO
