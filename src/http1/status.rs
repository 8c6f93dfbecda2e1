//! nginx's words for statuses, and its error pages.

/// Status and reason as nginx writes them (ngx_http_status_lines). A status without words is followed
/// by a space and nothing.
pub fn write_status_line(status: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&digits(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// nginx's reason phrase; empty for a status it has no words for.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// The status a client is shown for one of nginx's own: 494 to 497 are 400 to a client.
pub fn shown_status(status: u16) -> u16 {
    match status {
        494..=497 => 400,
        status => status,
    }
}

/// Whether nginx has a page for this status. The others have an empty body.
pub fn has_page(status: u16) -> bool {
    status == 498 || !page(status).title.is_empty()
}

/// Appends nginx's page for `status`, or nothing where it has none. `server` stands at the foot, such as
/// `wsproxy/0.1.0`, or `wsproxy` with `server_tokens off`. With `msie_padding` (the directive, and a
/// client that calls itself MSIE or Chrome, and an HTTP/1 request) pages of 400 and above are padded.
pub fn error_page_body(status: u16, server: &str, msie_padding: bool, out: &mut Vec<u8>) {
    // A request that nginx cancels is 498 in the log and shows the page of 404.
    let status = if status == 498 { 404 } else { status };
    let page = page(status);
    if page.title.is_empty() {
        return;
    }
    let shown = digits(shown_status(status));
    let heading = if page.note.is_empty() { page.title } else { reason(400) };
    for part in [
        &b"<html>\r\n<head><title>"[..],
        &shown,
        b" ",
        page.title.as_bytes(),
        b"</title></head>\r\n<body>\r\n<center><h1>",
        &shown,
        b" ",
        heading.as_bytes(),
        b"</h1></center>\r\n",
    ] {
        out.extend_from_slice(part);
    }
    if !page.note.is_empty() {
        out.extend_from_slice(b"<center>");
        out.extend_from_slice(page.note.as_bytes());
        out.extend_from_slice(b"</center>\r\n");
    }
    out.extend_from_slice(b"<hr><center>");
    out.extend_from_slice(server.as_bytes());
    out.extend_from_slice(b"</center>\r\n</body>\r\n</html>\r\n");
    if msie_padding && status >= 400 {
        (0..6).for_each(|_| out.extend_from_slice(MSIE_PADDING));
    }
}

const MSIE_PADDING: &[u8] = b"<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n";

struct Page {
    title: &'static str,
    /// The sentence of its own that a variant of 400 has.
    note: &'static str,
}

/// ngx_http_error_pages. Some titles are not the reason phrases.
fn page(status: u16) -> Page {
    let plain = |title| Page { title, note: "" };
    let variant = |note| Page { title: note, note };
    match status {
        302 => plain("Found"),
        401 => plain("Authorization Required"),
        494 => variant("Request Header Or Cookie Too Large"),
        495 => variant("The SSL certificate error"),
        496 => variant("No required SSL certificate was sent"),
        497 => variant("The plain HTTP request was sent to HTTPS port"),
        301 | 303 | 307.. | 400.. if status != 304 => plain(reason(status)),
        _ => plain(""),
    }
}

fn digits(status: u16) -> [u8; 3] {
    [status / 100 % 10, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(status: u16) -> String {
        let mut out = Vec::new();
        error_page_body(status, "wsproxy", false, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pages() {
        assert_eq!(
            page_of(404),
            "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n\
             <center><h1>404 Not Found</h1></center>\r\n<hr><center>wsproxy</center>\r\n</body>\r\n</html>\r\n"
        );
        assert_eq!(
            page_of(494),
            "<html>\r\n<head><title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n\
             <center><h1>400 Bad Request</h1></center>\r\n<center>Request Header Or Cookie Too Large</center>\r\n\
             <hr><center>wsproxy</center>\r\n</body>\r\n</html>\r\n"
        );
        for status in [200, 201, 204, 206, 304, 418, 499, 599] {
            assert_eq!((page_of(status), has_page(status)), (String::new(), false), "{status}");
        }
    }

    #[test]
    fn status_lines() {
        let line = |status| {
            let mut out = Vec::new();
            write_status_line(status, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line(302), "HTTP/1.1 302 Moved Temporarily\r\n");
        assert_eq!(line(418), "HTTP/1.1 418 \r\n");
    }
}
