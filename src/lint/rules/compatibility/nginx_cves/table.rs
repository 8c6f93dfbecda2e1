//! The holes, from <https://nginx.org/en/security_advisories.html> and the records of the CVE programme.

use crate::lint::Version;

use super::{Danger, Hole, captures, conditions};

pub(super) const DANGERS: &[Danger] = &[
    Danger {
        what: "a rewrite repeats overlapping captures in a redirect or in arguments",
        places: captures::overlapping,
        holes: &[hole("CVE-2026-9256", (0, 1, 17), (1, 31, 0), &[Version(1, 31, 1), Version(1, 30, 2)])],
    },
    Danger {
        what: "a line behind a rewrite with \"?\" uses a capture",
        places: captures::behind_arguments,
        holes: &[hole("CVE-2026-42945", (0, 6, 27), (1, 30, 0), &[Version(1, 31, 0), Version(1, 30, 1)])],
    },
    Danger {
        what: "a text uses a capture before the variable of a map whose patterns capture too",
        places: captures::before_maps,
        holes: &[hole("CVE-2026-42533", (0, 9, 6), (1, 31, 2), &[Version(1, 31, 3), Version(1, 30, 4)])],
    },
    Danger {
        what: "slices are fetched with captures of a pattern",
        places: captures::in_slices,
        holes: &[hole("CVE-2026-60005", (1, 15, 8), (1, 31, 2), &[Version(1, 31, 3), Version(1, 30, 4)])],
    },
    Danger {
        what: "HTTP/3 is spoken",
        places: conditions::quic,
        holes: &[
            hole("CVE-2026-42530", (1, 31, 0), (1, 31, 1), &[Version(1, 31, 2)]),
            hole("CVE-2026-40460", (1, 26, 0), (1, 30, 0), &[Version(1, 31, 0), Version(1, 30, 1)]),
            hole("CVE-2024-32760", (1, 25, 0), (1, 26, 0), &[Version(1, 27, 0), Version(1, 26, 1)]),
            hole("CVE-2024-31079", (1, 25, 0), (1, 26, 0), &[Version(1, 27, 0), Version(1, 26, 1)]),
            hole("CVE-2024-35200", (1, 25, 0), (1, 26, 0), &[Version(1, 27, 0), Version(1, 26, 1)]),
            hole("CVE-2024-34161", (1, 25, 0), (1, 26, 0), &[Version(1, 27, 0), Version(1, 26, 1)]),
            hole("CVE-2024-24989", (1, 25, 3), (1, 25, 3), &[Version(1, 25, 4)]),
            hole("CVE-2024-24990", (1, 25, 0), (1, 25, 3), &[Version(1, 25, 4)]),
        ],
    },
    Danger {
        what: "HTTP/2 is spoken",
        places: conditions::http2,
        holes: &[
            hole("CVE-2019-9511", (1, 9, 5), (1, 17, 2), &[Version(1, 17, 3), Version(1, 16, 1)]),
            hole("CVE-2019-9513", (1, 9, 5), (1, 17, 2), &[Version(1, 17, 3), Version(1, 16, 1)]),
            hole("CVE-2019-9516", (1, 9, 5), (1, 17, 2), &[Version(1, 17, 3), Version(1, 16, 1)]),
            hole("CVE-2018-16843", (1, 9, 5), (1, 15, 5), &[Version(1, 15, 6), Version(1, 14, 1)]),
            hole("CVE-2018-16844", (1, 9, 5), (1, 15, 5), &[Version(1, 15, 6), Version(1, 14, 1)]),
        ],
    },
    Danger {
        what: "the path of a file is asked for under an alias behind a rewrite",
        places: captures::path_of_rewritten,
        holes: &[hole("CVE-2026-15176", (0, 1, 29), (1, 31, 6), &[Version(1, 31, 7), Version(1, 30, 6)])],
    },
    Danger {
        what: "mp4 files are cut",
        places: conditions::mp4,
        holes: &[
            hole("CVE-2026-32647", (1, 1, 19), (1, 29, 6), &[Version(1, 29, 7), Version(1, 28, 3)]),
            hole("CVE-2024-7347", (1, 5, 13), (1, 27, 0), &[Version(1, 27, 1), Version(1, 26, 2)]),
            hole("CVE-2022-41741", (1, 1, 3), (1, 23, 1), &[Version(1, 23, 2), Version(1, 22, 1)]),
            hole("CVE-2022-41742", (1, 1, 3), (1, 23, 1), &[Version(1, 23, 2), Version(1, 22, 1)]),
            hole("CVE-2018-16845", (1, 1, 3), (1, 15, 5), &[Version(1, 15, 6), Version(1, 14, 1)]),
        ],
    },
    Danger {
        what: "names are resolved",
        places: conditions::resolver,
        holes: &[
            hole("CVE-2021-23017", (0, 6, 18), (1, 20, 0), &[Version(1, 21, 0), Version(1, 20, 1)]),
            hole("CVE-2016-0742", (0, 6, 18), (1, 9, 9), &[Version(1, 9, 10), Version(1, 8, 1)]),
            hole("CVE-2016-0746", (0, 6, 18), (1, 9, 9), &[Version(1, 9, 10), Version(1, 8, 1)]),
            hole("CVE-2016-0747", (0, 6, 18), (1, 9, 9), &[Version(1, 9, 10), Version(1, 8, 1)]),
        ],
    },
    Danger {
        what: "ranges of cached answers are served",
        places: conditions::cached_ranges,
        holes: &[hole("CVE-2017-7529", (0, 5, 6), (1, 13, 2), &[Version(1, 13, 3), Version(1, 12, 1)])],
    },
    Danger {
        what: "servers of one address ask for client certificates and resume sessions",
        places: conditions::resumed_sessions,
        holes: &[hole("CVE-2025-23419", (1, 11, 4), (1, 27, 3), &[Version(1, 27, 4), Version(1, 26, 3)])],
    },
    Danger {
        what: "client certificates are checked by OCSP with a resolver",
        places: conditions::client_ocsp,
        holes: &[hole("CVE-2026-40701", (1, 19, 0), (1, 30, 0), &[Version(1, 31, 0), Version(1, 30, 1)])],
    },
    Danger {
        what: "an upstream is spoken to over TLS",
        places: conditions::tls_upstreams,
        holes: &[hole("CVE-2026-1642", (1, 3, 0), (1, 29, 4), &[Version(1, 29, 5), Version(1, 28, 2)])],
    },
    Danger {
        what: "answers of an upstream are searched for SSI commands",
        places: conditions::ssi,
        holes: &[hole("CVE-2026-56434", (0, 8, 11), (1, 31, 2), &[Version(1, 31, 3), Version(1, 30, 4)])],
    },
    Danger {
        what: "answers are recoded from UTF-8",
        places: conditions::from_utf8,
        holes: &[hole("CVE-2026-48142", (0, 3, 50), (1, 31, 1), &[Version(1, 31, 2), Version(1, 30, 3)])],
    },
    Danger {
        what: "answers of an upstream are recoded without buffering",
        places: conditions::recoded_unbuffered,
        holes: &[hole("CVE-2026-42934", (0, 3, 50), (1, 30, 0), &[Version(1, 31, 0), Version(1, 30, 1)])],
    },
    Danger {
        what: "requests go to an SCGI or uwsgi server",
        places: conditions::scgi_and_uwsgi,
        holes: &[hole("CVE-2026-42946", (0, 8, 42), (1, 30, 0), &[Version(1, 31, 0), Version(1, 30, 1)])],
    },
    Danger {
        what: "proxy_set_body is used with HTTP/2 to the upstream",
        places: conditions::body_over_http2,
        holes: &[hole("CVE-2026-42926", (1, 29, 4), (1, 30, 0), &[Version(1, 31, 0), Version(1, 30, 1)])],
    },
    Danger {
        what: "heads of more than 2 MB may go to an upstream over HTTP/2",
        places: conditions::large_heads_over_http2,
        holes: &[hole("CVE-2026-42055", (1, 13, 10), (1, 31, 1), &[Version(1, 31, 2), Version(1, 30, 3)])],
    },
    Danger {
        what: "files under an alias may be copied or moved",
        places: conditions::dav_under_alias,
        holes: &[hole("CVE-2026-27654", (0, 5, 13), (1, 29, 6), &[Version(1, 29, 7), Version(1, 28, 3)])],
    },
    Danger {
        what: "mail clients may log in with CRAM-MD5 or APOP",
        places: conditions::mail_digests,
        holes: &[hole("CVE-2026-27651", (0, 5, 15), (1, 29, 6), &[Version(1, 29, 7), Version(1, 28, 3)])],
    },
    Danger {
        what: "mail may be sent without logging in",
        places: conditions::smtp_without_login,
        holes: &[hole("CVE-2025-53859", (0, 7, 22), (1, 29, 0), &[Version(1, 29, 1), Version(1, 28, 1)])],
    },
];

const fn hole(
    id: &'static str,
    first: (u16, u16, u16),
    last: (u16, u16, u16),
    mended: &'static [Version],
) -> Hole {
    Hole { id, first: Version(first.0, first.1, first.2), last: Version(last.0, last.1, last.2), mended }
}
