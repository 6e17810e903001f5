// The texts of the pages in other languages. Texts that are missing here come from the HTML.

const en = {
  language: "en",
  "verify.done": "Your address is confirmed. You can close this page and sign in.",
  "verify.change": "Your address is confirmed. Now choose a password of your own.",
  "verify.chosen": "Your address is confirmed and your password is set. You can close this page and sign in.",
  "verify.invalid_credentials":
    "Nobody signed up with this address and this password. If you forgot it, or if it was not you, say so below.",
  "recover.done":
    "Your new password is set, and you are signed out everywhere. You can close this page and sign in.",
  "invite.done": "Your password is set. You can close this page and sign in.",
  "email.done": "The new address is confirmed. From now on you sign in with it.",
  asked: "If this address has an account, a mail with a link is on its way to it.",
  missing: "This page is opened by a link in a mail. Open the link again, whole, from its beginning to its end.",
  invalid_link: "This link does not work: it or another one was used, or it is too old. Ask for another one.",
  "verify.invalid_link":
    "This link does not work: it or another one was used, it is too old, or too many passwords were tried. If you have confirmed the address already, simply sign in; else ask for another link here.",
  "invite.invalid_link":
    "This invitation does not work: it or another link was used, or it is too old. Ask whoever invited you for another one.",
  empty: "Something is missing here.",
  "weak.too_short": "This password is too short: it needs at least 8 characters.",
  "weak.too_long": "This password is too long: 1,024 characters are the most.",
  "weak.common": "This password is one of those that are tried first. Take another one.",
  "weak.like_email": "This password is too much like your address or your name. Take another one.",
  "weak.breached": "This password is known from a data breach. Take another one.",
  invalid_input: "That cannot be used. Look at it once more: it may hold characters that cannot be typed.",
  invalid_credentials: "The address or the password is wrong.",
  invalid_factor: "That was not right, or it took too long. Try again.",
  no_passkey: "No passkey was used. Try again, or use a code.",
  account_blocked: "This account is blocked.",
  email_taken: "This address has an account of its own by now.",
  wait: "That was tried too often. Try again in {} min.",
  busy: "The service is busy. Try again in a moment; the link stays good.",
  away: "There is no connection to the service. Look at your network and try again; the link stays good.",
  refused: "That did not work. If it goes on so, tell the support this number: {}.",
};

const ru = {
  language: "ru",
  "verify.title": "Подтверждение адреса",
  "verify.lead": "Остался один шаг: подтвердите, что этот адрес ваш, с паролем, который вы придумали.",
  "verify.submit": "Подтвердить адрес",
  "verify.without": "Это не моя регистрация, или пароль забыт",
  "verify.fresh":
    "Придумайте пароль, и учётная запись будет только вашей. Всё, что кто-то начал с вашим адресом, закончится: сеансы, вторые факторы, имя, прежний пароль.",
  "verify.set": "Сохранить пароль",
  "verify.done": "Адрес подтверждён. Закройте эту страницу и войдите.",
  "verify.change": "Адрес подтверждён. Теперь придумайте собственный пароль.",
  "verify.chosen": "Адрес подтверждён, пароль сохранён. Закройте эту страницу и войдите.",
  "verify.invalid_credentials":
    "С этим адресом и этим паролем никто не регистрировался. Если вы забыли пароль или это были не вы, скажите об этом ниже.",
  "recover.title": "Новый пароль",
  "recover.lead": "Придумайте новый пароль. Все сеансы будут завершены.",
  "recover.submit": "Сохранить пароль",
  "recover.done": "Новый пароль сохранён, все сеансы завершены. Закройте эту страницу и войдите.",
  "invite.title": "Добро пожаловать",
  "invite.lead": "Для вас создана учётная запись. Придумайте к ней пароль.",
  "invite.submit": "Сохранить пароль",
  "invite.done": "Пароль сохранён. Закройте эту страницу и войдите.",
  "email.title": "Новый адрес почты",
  "email.lead": "Чтобы подтвердить новый адрес, войдите ещё раз с тем адресом, который у учётной записи сейчас.",
  "email.submit": "Подтвердить новый адрес",
  "email.done": "Новый адрес подтверждён. Теперь входите с ним.",
  "factor.lead": "У этой учётной записи есть второй фактор.",
  "factor.submit": "Продолжить",
  "factor.passkey": "Войти с ключом доступа",
  password: "Новый пароль",
  hint: "Не меньше 8 символов. Хорошо подходят несколько слов, которые вместе знаете только вы.",
  show: "Показать пароль",
  address: "Нынешний адрес почты",
  current: "Пароль",
  code: "Код из приложения или код восстановления",
  "ask.lead": "Укажите адрес вашей учётной записи, и на него придёт ссылка.",
  "ask.address": "Адрес почты",
  "ask.submit": "Отправить ссылку",
  asked: "Если у этого адреса есть учётная запись, письмо со ссылкой уже в пути.",
  missing: "Эта страница открывается по ссылке из письма. Откройте ссылку ещё раз, целиком, от начала до конца.",
  invalid_link: "Ссылка не действует: она или другая уже использована, либо она устарела. Запросите новую.",
  "verify.invalid_link":
    "Ссылка не действует: она или другая уже использована, она устарела, или перебрано слишком много паролей. Если адрес уже подтверждён, просто войдите; иначе запросите новую ссылку здесь.",
  "invite.invalid_link":
    "Приглашение не действует: оно или другая ссылка уже использованы, либо оно устарело. Попросите новое у того, кто вас пригласил.",
  empty: "Здесь чего-то не хватает.",
  "weak.too_short": "Пароль слишком короткий: нужно не меньше 8 символов.",
  "weak.too_long": "Пароль слишком длинный: не больше 1024 символов.",
  "weak.common": "Этот пароль из тех, что пробуют первыми. Придумайте другой.",
  "weak.like_email": "Пароль слишком похож на ваш адрес или имя. Придумайте другой.",
  "weak.breached": "Этот пароль известен из утечки данных. Придумайте другой.",
  invalid_input: "Так не получится. Проверьте ещё раз: возможно, есть символы, которые нельзя набрать.",
  invalid_credentials: "Неверный адрес или пароль.",
  invalid_factor: "Неверно, или прошло слишком много времени. Попробуйте ещё раз.",
  no_passkey: "Ключ доступа не использован. Попробуйте ещё раз или введите код.",
  account_blocked: "Эта учётная запись заблокирована.",
  email_taken: "У этого адреса уже есть своя учётная запись.",
  wait: "Слишком много попыток. Попробуйте снова через {} мин.",
  busy: "Сервис занят. Попробуйте чуть позже; ссылка остаётся в силе.",
  away: "Нет связи с сервисом. Проверьте сеть и попробуйте ещё раз; ссылка остаётся в силе.",
  refused: "Не получилось. Если так будет и дальше, назовите поддержке этот номер: {}.",
};

const known = { en, ru };

export function textsOf(languages) {
  for (const language of languages) {
    const texts = known[language.toLowerCase().split("-")[0]];
    if (texts) return texts;
  }
  return en;
}
