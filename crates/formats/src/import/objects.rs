//! Lists of tokens in JSON: Microsoft Graph, `PingOne`, Okta, Keycloak.

use std::ops::ControlFlow;

use oathburn_oath::{Encoding, TimeStep};
use serde::Deserialize;

use crate::import::draft::{Draft, Meaning, Notation};
use crate::import::json::{Loose, broken, objects};
use crate::import::text::Text;
use crate::import::{Sink, refuse};
use crate::{FormatError, KeyPackage, Kind, Problem, Row, Unsaid};

/// Reads each object as `T` and hands over what `packages` makes of it.
fn each<T: for<'a> Deserialize<'a>>(
    text: Text<'_>,
    keys: &[&str],
    sink: Sink<'_>,
    packages: impl Fn(T) -> Vec<Result<KeyPackage, Problem>>,
) -> Result<(), FormatError> {
    let mut any = false;
    let mut failed = None;
    objects(text, keys, |line, object| {
        any = true;
        match serde_json::from_slice::<T>(object) {
            Ok(one) => packages(one).into_iter().try_for_each(|outcome| sink(Row { line, outcome })),
            Err(error) if error.is_data() => refuse(sink, line, Problem::new(FormatError::JsonOther)),
            Err(error) => {
                failed = Some(broken(&error, line));
                ControlFlow::Break(())
            }
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None if any => Ok(()),
        None => Err(FormatError::FileEmpty),
    }
}

/// Takes the fields of an object for what they mean. The seed must be there.
fn draft<const N: usize>(
    fields: [(&'static str, Meaning, &Option<Loose>); N],
    unsaid: &Unsaid,
) -> Result<Draft, Problem> {
    let mut draft = Draft::default();
    for (name, meaning, text) in fields {
        let text = text.as_ref().map_or("", Loose::as_str);
        let needed = matches!(meaning, Meaning::Seed(_) | Meaning::Serial);
        if needed && text.trim().is_empty() {
            return Err(Problem::new(FormatError::CellMissing { column: name }).in_column(name));
        }
        draft.take(meaning, text, unsaid).map_err(|error| Problem::new(error).in_column(name))?;
    }
    Ok(draft)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GraphDevice {
    serial_number: Option<Loose>,
    manufacturer: Option<Loose>,
    model: Option<Loose>,
    secret_key: Option<Loose>,
    time_interval_in_seconds: Option<Loose>,
    hash_function: Option<Loose>,
}

/// The tokens of a request to Microsoft Graph: one, or a list of them.
pub(crate) fn graph(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    each(text, &["value"], sink, |device: GraphDevice| {
        let fields = [
            ("serialNumber", Meaning::Serial, &device.serial_number),
            ("manufacturer", Meaning::Manufacturer, &device.manufacturer),
            ("model", Meaning::Model, &device.model),
            ("secretKey", Meaning::Seed(Notation::Base32), &device.secret_key),
            ("timeIntervalInSeconds", Meaning::Step, &device.time_interval_in_seconds),
            ("hashFunction", Meaning::Algorithm, &device.hash_function),
        ];
        let package = |draft: Draft| {
            let step = draft.step;
            match step.filter(|step| !matches!(step.seconds(), 30 | 60)) {
                Some(step) => Err(Problem::new(FormatError::StepUnusual { step }).in_column("timeIntervalInSeconds")),
                None => draft.package(unsaid, &Unsaid::NOTHING),
            }
        };
        vec![draft(fields, unsaid).and_then(package)]
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PingOneToken {
    serial_number: Option<Loose>,
    secret: Option<Loose>,
    #[serde(rename = "type")]
    kind: Option<Loose>,
    otp_length: Option<Loose>,
    hash_algorithm: Option<Loose>,
    #[serde(default)]
    totp: PingOneTotp,
    #[serde(default)]
    hotp: PingOneHotp,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PingOneTotp {
    time_step: Option<Loose>,
}

#[derive(Default, Deserialize)]
struct PingOneHotp {
    counter: Option<Loose>,
}

/// The tokens of a job of `PingOne`.
pub(crate) fn pingone(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    each(text, &["tokens"], sink, |token: PingOneToken| {
        let fields = [
            ("serialNumber", Meaning::Serial, &token.serial_number),
            ("secret", Meaning::Seed(Notation::Hex), &token.secret),
            ("type", Meaning::Kind, &token.kind),
            ("otpLength", Meaning::Digits, &token.otp_length),
            ("hashAlgorithm", Meaning::Algorithm, &token.hash_algorithm),
            ("timeStep", Meaning::Step, &token.totp.time_step),
            ("counter", Meaning::Counter, &token.hotp.counter),
        ];
        vec![draft(fields, unsaid).and_then(|draft| draft.package(unsaid, &Unsaid::NOTHING))]
    })
}

/// What enrols a token: the body of the call, or a line that says beside it for whom.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OktaCall {
    login: Option<Loose>,
    serial_number: Option<Loose>,
    body: Option<OktaFactor>,
    profile: Option<OktaProfile>,
}

#[derive(Deserialize)]
struct OktaFactor {
    profile: Option<OktaProfile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OktaProfile {
    shared_secret: Option<Loose>,
    credential_id: Option<Loose>,
    time_step: Option<Loose>,
    key_length: Option<Loose>,
    algorithm: Option<Loose>,
}

/// The enrolments of Okta's custom factors. How codes are made stands in the factor's profile at Okta, not here.
pub(crate) fn okta(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    let notation = match unsaid.encoding {
        Some(Encoding::Hex) => Notation::Hex,
        _ => Notation::Base32,
    };
    each(text, &["factors", "value"], sink, |call: OktaCall| {
        let Some(profile) = call.body.and_then(|body| body.profile).or(call.profile) else {
            return vec![Err(Problem::new(FormatError::CellMissing { column: "sharedSecret" }))];
        };
        let fields = [
            ("sharedSecret", Meaning::Seed(notation), &profile.shared_secret),
            ("login", Meaning::Upn, &call.login.or(profile.credential_id)),
            ("timeStep", Meaning::Step, &profile.time_step),
            ("keyLength", Meaning::Digits, &profile.key_length),
            ("algorithm", Meaning::Algorithm, &profile.algorithm),
        ];
        let serial = call.serial_number.map(|serial| draft([("serialNumber", Meaning::Serial, &Some(serial))], unsaid));
        let serial = match serial.transpose() {
            Ok(serial) => serial.and_then(|draft| draft.serial),
            Err(problem) => return vec![Err(problem)],
        };
        let said = |draft: Draft| match draft.algorithm.or(unsaid.algorithm) {
            Some(_) => draft.package(unsaid, &Unsaid::NOTHING),
            // Okta's own default is SHA-512, and everybody else's SHA-1: nothing is assumed.
            None => Err(Problem::new(FormatError::AlgorithmUnsaid)),
        };
        vec![draft(fields, unsaid).map(|draft| Draft { serial, ..draft }).and_then(said)]
    })
}

#[derive(Deserialize)]
struct KeycloakUser {
    username: Option<Loose>,
    #[serde(default)]
    credentials: Vec<KeycloakCredential>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakCredential {
    #[serde(rename = "type")]
    kind: Option<Loose>,
    user_label: Option<Loose>,
    secret_data: Option<Loose>,
    credential_data: Option<Loose>,
}

#[derive(Deserialize)]
struct KeycloakSecret {
    value: Option<Loose>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakData {
    sub_type: Option<Loose>,
    digits: Option<Loose>,
    counter: Option<Loose>,
    period: Option<Loose>,
    algorithm: Option<Loose>,
    secret_encoding: Option<Loose>,
}

/// The credentials of Keycloak's users; passwords and keys of other kinds are passed over.
pub(crate) fn keycloak(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
    each(text, &["users"], sink, |user: KeycloakUser| {
        let is_otp = |one: &&KeycloakCredential| one.kind.as_ref().is_some_and(|kind| kind.as_str() == "otp");
        let credentials = user.credentials.iter().filter(is_otp);
        credentials.map(|one| keycloak_credential(one, user.username.as_ref(), unsaid)).collect()
    })
}

fn keycloak_credential(
    credential: &KeycloakCredential,
    user: Option<&Loose>,
    unsaid: &Unsaid,
) -> Result<KeyPackage, Problem> {
    let inner = |text: &Option<Loose>| text.clone().unwrap_or_default();
    let (secret, data) = (inner(&credential.secret_data), inner(&credential.credential_data));
    let other = |name: &'static str| move |_| Problem::new(FormatError::JsonOther).in_column(name);
    let secret: KeycloakSecret = serde_json::from_str(secret.as_str()).map_err(other("secretData"))?;
    let data: KeycloakData = serde_json::from_str(data.as_str()).map_err(other("credentialData"))?;
    let encoding = data.secret_encoding.as_ref().map_or("", Loose::as_str);
    let kind = data.sub_type.as_ref().map_or("", Loose::as_str);
    let counts = kind.eq_ignore_ascii_case("hotp");
    let of_kind = |text: &Option<Loose>, wanted: bool| text.clone().filter(|_| wanted);
    let (period, counter) = (of_kind(&data.period, !counts), of_kind(&data.counter, counts));
    let user = user.cloned();
    let mut fields = [
        ("subType", Meaning::Kind, &data.sub_type),
        ("digits", Meaning::Digits, &data.digits),
        ("period", Meaning::Step, &period),
        ("counter", Meaning::Counter, &counter),
        ("algorithm", Meaning::Algorithm, &data.algorithm),
        ("username", Meaning::Upn, &user),
        ("value", Meaning::Seed(Notation::Base32), &secret.value),
    ];
    if !encoding.eq_ignore_ascii_case("BASE32") {
        // The characters themselves are the key.
        fields[6].1 = Meaning::Seed(Notation::Characters);
    }
    let mut draft = draft(fields, unsaid)?;
    // A label that a serial number could be is one: it is where Keycloak has room for it.
    let label = credential.user_label.as_ref().map_or("", Loose::as_str);
    draft.serial = oathburn_oath::SerialNumber::new(label).ok();
    draft.kind = draft.kind.or(Some(Kind::Totp));
    draft.package(unsaid, &Unsaid { step: Some(TimeStep::S30), ..Unsaid::NOTHING })
}
