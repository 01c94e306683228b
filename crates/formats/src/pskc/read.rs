//! Reading key containers: tolerant of names and drafts, strict about what protects a seed.

use std::ops::ControlFlow;

use data_encoding::{BASE64, BASE64_NOPAD};
use oathburn_oath::{Algorithm, Digits, HotpParams, Params, Seed, SerialNumber, TimeStep, TotpParams};
use zeroize::Zeroizing;

use super::protection::Protection;
use super::tree::{self, Element};
use crate::import::Sink;
use crate::import::draft;
use crate::import::text::Text;
use crate::{FormatError, KeyPackage, Problem, ReadOptions, Remarks, Row};

/// Reads a container, key by key.
pub(crate) fn read(
    text: Text<'_>,
    options: &ReadOptions,
    sink: Sink<'_>,
    remarks: &mut Remarks,
) -> Result<(), FormatError> {
    let mut protection = Protection::new(options);
    tree::parts(text, &mut |part| {
        match part.name.as_str() {
            "keycontainer" => {}
            "encryptionkey" | "encryptionmethod" => protection.encryption_key(&part)?,
            "macmethod" | "digestmethod" => protection.mac_method(part)?,
            "keypackage" | "device" => return package(&part, &mut protection, sink),
            "signature" if protection.began() => remarks.signature_unverified = true,
            // What else there is says nothing of tokens.
            _ if protection.began() => {}
            _ => return Err(FormatError::XmlRoot { expected: "KeyContainer" }),
        }
        protection.begin();
        Ok(ControlFlow::Continue(()))
    })
}

/// Drafts let a device have several keys.
fn package(package: &Element, protection: &mut Protection<'_>, sink: Sink<'_>) -> Result<ControlFlow<()>, FormatError> {
    let mut any = false;
    for key in package.all(&["key"]) {
        any = true;
        let outcome = match token(package, key, protection) {
            // A key or password that is wrong, or missing, is so for all.
            Err(Problem {
                error:
                    error @ (FormatError::KeyWrong
                    | FormatError::PasswordWrong
                    | FormatError::KeyNeeded
                    | FormatError::PasswordNeeded),
                ..
            }) => return Err(error),
            outcome => outcome,
        };
        if sink(Row { line: key.line, outcome }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    if !any {
        let outcome = Err(Problem::new(FormatError::CellMissing { column: "Key" }));
        return Ok(sink(Row { line: package.line, outcome }));
    }
    Ok(ControlFlow::Continue(()))
}

fn token(package: &Element, key: &Element, protection: &mut Protection<'_>) -> Result<KeyPackage, Problem> {
    let info = package.child(&["deviceinfo", "deviceid"]);
    let of_info =
        |name: &str| info.and_then(|info| info.child(&[name])).map(Element::text).filter(|text| !text.is_empty());
    let of_key = |name: &str| key.child(&[name]).map(Element::text).filter(|text| !text.is_empty());
    usable(key)?;
    let serial = of_info("serialno").or_else(|| key.attribute(&["id", "keyid"]).filter(|id| !id.is_empty()));
    let serial = serial.map(SerialNumber::new).transpose().map_err(|error| in_element(error.into(), "SerialNo"))?;
    let params = params(key, protection)?;
    let secret = protection.value(data(key, "secret"), "Secret")?;
    let secret = secret.ok_or_else(|| Problem::new(FormatError::CellMissing { column: "Secret" }))?;
    let seed = Seed::new(secret.to_vec()).map_err(|error| in_element(error.into(), "Secret"))?;
    if seed.is_zero() {
        return Err(in_element(FormatError::SeedZero, "Secret"));
    }
    let name = |text: Option<&str>, what: &'static str, element: &str| {
        text.map(|text| draft::name(text, what)).transpose().map_err(|error| in_element(error, element))
    };
    Ok(KeyPackage {
        serial,
        manufacturer: name(of_info("manufacturer").map(without_registry), "manufacturer", "Manufacturer")?,
        model: name(of_info("model"), "model", "Model")?,
        upn: name(of_key("userid").or(of_info("userid")), "user", "UserId")?.map(|user| super::user_of(&user)),
        issuer: name(of_key("issuer"), "issuer", "Issuer")?,
        params,
        seed,
    })
}

fn in_element(error: FormatError, element: &str) -> Problem {
    Problem::new(error).in_column(element)
}

/// The prefixes say in which registry a manufacturer stands (RFC 6030, section 4.3.1).
fn without_registry(name: &str) -> &str {
    let prefix = ["oath.", "iana."].into_iter().find_map(|prefix| {
        let head = name.get(..prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then(|| &name[prefix.len()..])
    });
    prefix.filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// The element of a value: in `Data`, or, in drafts, a `Data` of that name.
fn data<'a>(key: &'a Element, name: &str) -> Option<&'a Element> {
    key.all(&["data"]).find_map(|data| match data.attribute(&["name"]) {
        Some(own) => (own.to_ascii_lowercase().replace('_', "") == name).then_some(data),
        None => data.child(&[name]),
    })
}

/// Policies that we do not follow forbid the use of a key (RFC 6030, section 5).
fn usable(key: &Element) -> Result<(), Problem> {
    let refused = |what: &str| Err(in_element(FormatError::PolicyUnknown, what));
    if let Some(usage) = key.child(&["usage"])
        && usage.attribute(&["otp"]).is_some_and(|otp| !otp.eq_ignore_ascii_case("true"))
    {
        return refused("Usage");
    }
    let Some(policy) = key.child(&["policy"]) else { return Ok(()) };
    let (mut usages, mut otp) = (0, false);
    for rule in policy.children() {
        match rule.name.as_str() {
            // When a token is in use is for whoever imports it to say.
            "startdate" | "expirydate" => {}
            "keyusage" => {
                usages += 1;
                otp |= rule.text().eq_ignore_ascii_case("otp");
            }
            "pinpolicy" => return refused("PINPolicy"),
            "numberoftransactions" => return refused("NumberOfTransactions"),
            _ => return refused("Policy"),
        }
    }
    if usages > 0 && !otp { refused("KeyUsage") } else { Ok(()) }
}

/// How the codes of a key are made (RFC 6030, section 4.3.4).
fn params(key: &Element, protection: &mut Protection<'_>) -> Result<Params, Problem> {
    let format = key.below(&["responseformat"]);
    let decimal = |format: &Element| {
        format.attribute(&["encoding", "format"]).is_none_or(|text| text.eq_ignore_ascii_case("decimal"))
    };
    let checked = |format: &Element| {
        format.attribute(&["checkdigits", "checkdigit"]).is_some_and(|text| matches!(text, "true" | "1"))
    };
    if format.is_some_and(|format| !decimal(format) || checked(format)) {
        return Err(in_element(FormatError::OtherCodes, "ResponseFormat"));
    }
    let digits = format.and_then(|format| format.attribute(&["length"])).map(str::parse::<Digits>).transpose();
    let digits = digits.map_err(|error| in_element(error.into(), "ResponseFormat"))?.unwrap_or_default();
    let algorithm = suite(key)?;
    let mut number = |name: &'static str, element: &'static str| {
        protection
            .value(data(key, name), element)?
            .map(|value| integer(&value))
            .transpose()
            .map_err(|error| in_element(error, element))
    };
    let (counter, offset) = (number("counter", "Counter")?, number("time", "Time")?);
    let interval = number("timeinterval", "TimeInterval")?;
    let uri = key.attribute(&["algorithm", "keyalgorithm"]).unwrap_or("").to_ascii_lowercase();
    let kind = uri.rsplit([':', '#', '/']).next().unwrap_or_default();
    match kind {
        "hotp" | "totp" => {}
        "" if interval.is_some() || counter.is_some() => {}
        _ => return Err(in_element(FormatError::OtherCodes, "Algorithm")),
    }
    if kind == "hotp" || (kind.is_empty() && interval.is_none()) {
        return Ok(HotpParams { algorithm, digits, counter: counter.unwrap_or(0) }.into());
    }
    if offset.is_some_and(|offset| offset != 0) {
        return Err(in_element(FormatError::StartTime, "Time"));
    }
    let seconds = interval.map(|seconds| u32::try_from(seconds).unwrap_or(0)).map(draft_step).transpose();
    let step = seconds.map_err(|error| in_element(error, "TimeInterval"))?.unwrap_or_default();
    Ok(TotpParams { algorithm, digits, step }.into())
}

fn draft_step(seconds: u32) -> Result<TimeStep, FormatError> {
    if seconds > 3600 {
        Err(FormatError::StepInvalid)
    } else {
        TimeStep::new(seconds).map_err(|_| FormatError::StepInvalid)
    }
}

/// The hash: in the text of `Suite`, or in the attribute where privacyIDEA puts it. Nothing means SHA-1.
fn suite(key: &Element) -> Result<Algorithm, Problem> {
    let suite = key.at(&["algorithmparameters", "suite"]);
    let text = suite.map(|suite| suite.attribute(&["hashalgo"]).unwrap_or_else(|| suite.text())).unwrap_or_default();
    if text.is_empty() {
        return Ok(Algorithm::Sha1);
    }
    text.parse::<Algorithm>().map_err(|error| in_element(error.into(), "Suite"))
}

/// A number: decimal, or, in drafts and in encrypted values, big-endian bytes.
fn integer(value: &[u8]) -> Result<u64, FormatError> {
    let text = std::str::from_utf8(value).map(str::trim).unwrap_or_default();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| FormatError::CounterInvalid);
    }
    let bytes: [u8; 8] = match value.len() {
        1..=8 => {
            let mut bytes = [0; 8];
            bytes[8 - value.len()..].copy_from_slice(value);
            bytes
        }
        _ => return Err(FormatError::CounterInvalid),
    };
    Ok(u64::from_be_bytes(bytes))
}

/// Base64 as people wrap it: in lines, with or without padding.
pub(super) fn base64(text: &str) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    plain.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let decoded = if plain.ends_with(b"=") { BASE64.decode(&plain) } else { BASE64_NOPAD.decode(&plain) };
    decoded.map(Zeroizing::new).map_err(|_| FormatError::NotBase64)
}
